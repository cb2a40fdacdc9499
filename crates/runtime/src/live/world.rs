//! A fabric with somebody at its ports: who is at which port, and which worker has it.

use ringfence_endpoints::Guest;
use ringfence_switch::{Controller, PortId};

#[cfg(all(feature = "os", target_os = "linux"))]
use super::TapPort;
use super::{GuestQueue, Live, LiveError, LiveOptions, Outlets, PortQueue};

/// Somebody at a port.
pub enum Attachment {
    /// A simulated guest.
    Guest(Box<Guest>),
    /// A TAP device.
    #[cfg(all(feature = "os", target_os = "linux"))]
    Tap(TapPort),
}

/// A live fabric with whatever is attached to it.
pub type LiveWorld = Live<Box<dyn PortQueue>, Outlets>;

/// Brings a fabric up: each port's queue is one worker's, in turn.
///
/// # Errors
/// If the controller's layout has no room for so many workers, or the system has no threads.
pub fn bring_up(
    controller: Controller,
    attached: Vec<(PortId, Attachment)>,
    workers: usize,
    options: &LiveOptions,
) -> Result<LiveWorld, LiveError> {
    let workers = workers.max(1);
    let mut seats: Vec<(Vec<Box<dyn PortQueue>>, Outlets)> =
        (0..workers).map(|_| (Vec::new(), Outlets::new())).collect();
    for (place, (port, attachment)) in attached.into_iter().enumerate() {
        let queue: Box<dyn PortQueue> = match attachment {
            Attachment::Guest(guest) => {
                let (queue, senders) = GuestQueue::new(*guest, port, workers);
                for ((_, outlets), sender) in seats.iter_mut().zip(senders) {
                    outlets.connect(port, sender);
                }
                Box::new(queue)
            }
            #[cfg(all(feature = "os", target_os = "linux"))]
            Attachment::Tap(tap) => {
                for (_, outlets) in &mut seats {
                    outlets.connect(port, tap.outlet());
                }
                Box::new(tap.queue(port))
            }
        };
        seats[place % workers].0.push(queue);
    }
    Live::start(controller, seats, options)
}
