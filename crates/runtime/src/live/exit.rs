//! Where a worker's frames go out, and who is told what became of them.

use ringfence_frame::Instant;
use ringfence_switch::{Egress, Observer, PortId, Silent, Sink};

use super::{Frames, RingSender};

/// A worker's way out. Its parts are told of each frame while a batch is handled; what takes longer
/// can wait for the end of the batch, when the frames lie in their slots as they went out.
pub trait Exit: Send {
    /// Takes what goes out.
    type Sink: Sink;
    /// Is told of verdicts.
    type Observer: Observer;

    /// Both at once.
    fn parts(&mut self) -> (&mut Self::Sink, &mut Self::Observer);

    /// A batch is about to be pulled.
    fn begin(&mut self) {}

    /// A batch has been pulled.
    fn pulled(&mut self, _frames: &Frames) {}

    /// A batch has been handled: all of `frames` by the rules of `epoch`, taken in at `now`, done
    /// at `done`.
    fn end(&mut self, _frames: &Frames, _epoch: u32, _now: Instant, _done: Instant) {}
}

/// What takes the frames that go out at one port.
pub trait Outlet: Send {
    /// How many frames more it takes.
    fn room(&self) -> usize;

    /// Takes a frame; there was room.
    fn put(&mut self, egress: &Egress<'_>);
}

/// Absorbs what goes out, but for ports with an outlet.
#[derive(Default)]
pub struct Outlets {
    targets: Targets,
    silent: Silent,
}

/// The sink of [`Outlets`].
#[derive(Default)]
pub struct Targets {
    /// For each port one more than the place of its outlet, or 0.
    places: Vec<u32>,
    outlets: Vec<Box<dyn Outlet>>,
}

impl Outlets {
    /// Absorbs everything.
    pub fn new() -> Outlets {
        Outlets::default()
    }

    /// Puts what goes out at `port` into `outlet` from now on. What finds no room there is dropped,
    /// and counted as `queue-full`.
    pub fn connect(&mut self, port: PortId, outlet: impl Outlet + 'static) {
        let Targets { places, outlets } = &mut self.targets;
        let port = port as usize;
        if places.len() <= port {
            places.resize(port + 1, 0);
        }
        outlets.push(Box::new(outlet));
        places[port] = outlets.len() as u32;
    }
}

impl Exit for Outlets {
    type Sink = Targets;
    type Observer = Silent;

    fn parts(&mut self) -> (&mut Targets, &mut Silent) {
        (&mut self.targets, &mut self.silent)
    }
}

impl Targets {
    fn place(&self, port: PortId) -> Option<usize> {
        let place = *self.places.get(port as usize)?;
        (place as usize).checked_sub(1)
    }
}

impl Sink for Targets {
    fn room(&self, port: PortId) -> usize {
        self.place(port).map_or(usize::MAX, |place| self.outlets[place].room())
    }

    fn put(&mut self, egress: Egress<'_>) {
        if let Some(place) = self.place(egress.port()) {
            self.outlets[place].put(&egress);
        }
    }
}

impl Outlet for RingSender {
    fn room(&self) -> usize {
        RingSender::room(self)
    }

    fn put(&mut self, egress: &Egress<'_>) {
        let id = egress.frame().unwrap_or(OWN);
        self.push(egress.bytes(), egress.port(), id, 0);
    }
}

/// The number of frames that are the fabric's own.
const OWN: u64 = u64::MAX;
