//! A simulated guest at a port of a live fabric, on the machine's clock. One worker polls it; what goes
//! out to it comes over a ring from each worker.

use ringfence_endpoints::{Endpoint, Guest};
use ringfence_frame::Instant;
use ringfence_frame::batch::PortNumber;

use super::{Frames, PortQueue, RingReceiver, RingSender, Waker, ring};

/// Frames that may wait for a guest, from each worker.
const INBOX: usize = 64;

/// A guest with its inbox.
pub struct GuestQueue {
    guest: Guest,
    number: PortNumber,
    next_id: u64,
    inbox: Vec<RingReceiver>,
    /// When it next has something to do of its own accord.
    due: Option<Instant>,
}

impl GuestQueue {
    /// The guest at port `number`, and for each of `workers` the ring by which it reaches the guest.
    pub fn new(guest: Guest, number: PortNumber, workers: usize) -> (GuestQueue, Vec<RingSender>) {
        let (senders, inbox) = (0..workers).map(|_| ring(INBOX)).unzip();
        let (next_id, due) = (u64::from(number) << 40, Some(Instant::START));
        (GuestQueue { guest, number, next_id, inbox, due }, senders)
    }

    /// The guest.
    pub fn guest_mut(&mut self) -> &mut Guest {
        // whatever it is given to do, it is asked for soon
        self.due = Some(Instant::START);
        &mut self.guest
    }
}

impl PortQueue for GuestQueue {
    fn pull(&mut self, frames: &mut Frames, most: usize, now: Instant) -> usize {
        let GuestQueue { guest, inbox, .. } = self;
        for inbox in inbox {
            while inbox.pop(|_, bytes| guest.handle_frame(bytes, now)).is_some() {}
        }
        let mut count = 0;
        while count < most && frames.len() < frames.capacity() {
            let Some(frame) = self.guest.pull(now) else { break };
            // a guest's MTU is below a slot's length
            if frames.push(&frame, self.number, self.next_id, 0) {
                count += 1;
            }
            self.next_id += 1;
        }
        self.due = self.guest.next_wakeup(now);
        count
    }

    fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        let has_mail = self.inbox.iter().any(|inbox| !inbox.is_empty());
        if has_mail { Some(now) } else { self.due }
    }

    fn attach(&mut self, waker: &Waker) {
        self.inbox.iter_mut().for_each(|inbox| inbox.attach(waker));
    }
}
