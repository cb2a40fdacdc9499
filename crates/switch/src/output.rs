//! What goes out, and the queues in which it waits.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringfence_cloud::Place;

use crate::journey::Passed;
use crate::{FrameId, PortId, Ports};

/// A frame on its way out of a port, still where it came in. Only the journey makes one.
#[derive(Debug)]
pub struct Egress<'a> {
    port: PortId,
    bytes: &'a mut [u8],
    frame: Option<FrameId>,
    slot: Option<u32>,
}

impl<'a> Egress<'a> {
    pub(crate) fn new(
        _: Passed,
        port: PortId,
        bytes: &'a mut [u8],
        frame: Option<FrameId>,
        slot: Option<u32>,
    ) -> Egress<'a> {
        Egress { port, bytes, frame, slot }
    }

    /// Where it goes out.
    pub fn port(&self) -> PortId {
        self.port
    }

    /// The frame.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The frame handed in that this is (or is a fragment of); none for the fabric's own.
    pub fn frame(&self) -> Option<FrameId> {
        self.frame
    }

    /// The buffer that was handed in, if the frame lies there still; the fabric's own frames and
    /// fragments are to be copied.
    pub fn slot(&self) -> Option<u32> {
        self.slot
    }
}

/// Where frames go out.
pub trait Sink {
    /// How many frames more the output queue of `port` takes.
    fn room(&self, port: PortId) -> usize;

    /// Takes a frame; there was room.
    fn put(&mut self, egress: Egress<'_>);
}

/// A frame that went out at a port, copied out of its buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    port: Place,
    bytes: Vec<u8>,
    frame: Option<FrameId>,
}

impl Delivery {
    /// Where it goes out.
    pub fn port(&self) -> Place {
        self.port
    }

    /// The frame.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The frame's bytes, taken out.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The frame handed in that this is (or is a fragment of); none for the fabric's own.
    pub fn frame(&self) -> Option<FrameId> {
        self.frame
    }
}

/// The output queues of all ports, each bounded.
pub(crate) struct Outputs {
    ports: Arc<Ports>,
    queue_max: usize,
    queues: HashMap<Place, VecDeque<Queued>, FixedState>,
    /// Every delivery in the order in which it was put in; those that a port's own queue has given
    /// out already are passed over.
    order: VecDeque<(u64, Place)>,
    waiting: usize,
    next: u64,
}

struct Queued {
    number: u64,
    delivery: Delivery,
}

impl Outputs {
    pub(crate) fn new(ports: Arc<Ports>, queue_max: usize) -> Outputs {
        Outputs {
            ports,
            queue_max,
            queues: HashMap::default(),
            order: VecDeque::new(),
            waiting: 0,
            next: 0,
        }
    }

    pub(crate) fn pull(&mut self) -> Option<Delivery> {
        while let Some((number, port)) = self.order.pop_front() {
            if let Some(queue) = self.queues.get_mut(&port)
                && let Some(queued) = queue.pop_front_if(|queued| queued.number == number)
            {
                self.waiting -= 1;
                return Some(queued.delivery);
            }
        }
        None
    }

    pub(crate) fn pull_from(&mut self, port: Place) -> Option<Delivery> {
        let queued = self.queues.get_mut(&port)?.pop_front()?;
        self.waiting -= 1;
        if self.order.len() > 2 * self.waiting + ORDER_SLACK {
            let queues = &self.queues;
            self.order.retain(|(number, port)| {
                let first = queues.get(port).and_then(VecDeque::front);
                first.is_some_and(|first| first.number <= *number)
            });
        }
        Some(queued.delivery)
    }

    pub(crate) fn clear(&mut self) {
        for (_, port) in self.order.drain(..) {
            self.queues.remove(&port);
        }
        self.waiting = 0;
    }
}

impl Sink for Outputs {
    fn room(&self, port: PortId) -> usize {
        let waiting = self.queues.get(&self.ports.place(port)).map_or(0, VecDeque::len);
        self.queue_max.saturating_sub(waiting)
    }

    fn put(&mut self, egress: Egress<'_>) {
        let number = self.next;
        self.next += 1;
        self.waiting += 1;
        let port = self.ports.place(egress.port);
        let delivery = Delivery { port, bytes: egress.bytes.to_vec(), frame: egress.frame };
        self.queues.entry(port).or_default().push_back(Queued { number, delivery });
        self.order.push_back((number, port));
    }
}

/// Deliveries given out by their port's queue that the common order may still list.
const ORDER_SLACK: usize = 64;

#[cfg(test)]
mod tests {
    use ringfence_cloud::{Edge, Place, World};
    use ringfence_frame::{Instant, MacAddr, build};
    use ringfence_policy::PolicySet;

    use crate::{Fabric, Silent, Switch, SwitchOptions};

    #[test]
    fn a_port_that_pulls_alone_leaves_nothing_behind() {
        let mut switch = Switch::new(Fabric {
            world: World::default(),
            policies: PolicySet::default(),
            timeouts: Vec::new(),
            options: SwitchOptions::default(),
        });
        let port = Place::Edge(Edge::Internet);
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let frame = build::arp_request(mac, [203, 0, 113, 7].into(), [203, 0, 113, 1].into());
        for id in 0..1_000 {
            switch.handle_frame(port, id, &frame, Instant::START, &mut Silent, &mut Vec::new());
            assert!(switch.pull_from(port).is_some());
        }
        assert_eq!((switch.outputs.waiting, switch.outputs.queues[&port].len()), (0, 0));
        assert!(switch.outputs.order.len() <= super::ORDER_SLACK);
        assert_eq!(switch.pull(), None);
    }
}
