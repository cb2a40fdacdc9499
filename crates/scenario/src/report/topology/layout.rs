//! Where everything in the picture stands.
//!
//! Owns places only: one column of boxes for narrow screens, two for wide ones. Arrows between the
//! columns run as curves; arrows within one run in lanes to its right, each in a lane of its own
//! where they would meet. Every arrow has a slot of its own at either end, and wears its label at
//! the interface that decided.

use super::flows::{Arrow, End};
use super::picture::{Item, Node, NodeIndex, Picture, Region, RegionKind};
use super::text::{self, Block, Lettering};
use crate::report::svg::Rect;

/// Sizes of a layout.
pub(super) struct Shape {
    /// Whether what is outside stands beside the networks, or above them.
    pub(super) two_columns: bool,
    pub(super) lettering: Lettering,
    pub(super) node_width: i32,
    pub(super) outside_width: i32,
    /// Room for curves between the columns.
    gutter: i32,
    label_max: i32,
    lane: i32,
    /// Between a box and what is in it.
    pad: i32,
    slot: i32,
}

/// For projectors and desks.
pub(super) const WIDE: Shape = Shape {
    two_columns: true,
    lettering: Lettering { title: 8, detail: 7, title_line: 20, detail_line: 17 },
    node_width: 300,
    outside_width: 250,
    gutter: 110,
    label_max: 216,
    lane: 11,
    pad: 12,
    slot: 24,
};

/// For phones.
pub(super) const NARROW: Shape = Shape {
    two_columns: false,
    lettering: Lettering { title: 8, detail: 7, title_line: 18, detail_line: 15 },
    node_width: 176,
    outside_width: 176,
    gutter: 0,
    label_max: 106,
    lane: 6,
    pad: 6,
    slot: 22,
};

/// Between a node and its labels: room for an arrow's head.
pub(super) const GAP: i32 = 18;
const LABEL_HEIGHT: i32 = 18;
/// Room in a label for what is no letter.
const SIGN: i32 = 28;
const MARGIN: i32 = 2;
/// Between boxes.
const BETWEEN: i32 = 10;

/// A region in its place.
pub(super) struct PlacedRegion {
    pub(super) kind: RegionKind,
    pub(super) id: String,
    pub(super) rect: Rect,
    pub(super) header: Block,
}

/// A node in its place.
pub(super) struct PlacedNode {
    pub(super) rect: Rect,
    pub(super) block: Block,
}

/// An end of an arrow: a point at a node's edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Touch {
    pub(super) x: i32,
    pub(super) y: i32,
    /// -1 at the left edge, 1 at the right.
    pub(super) side: i32,
}

/// An arrow in its place.
pub(super) struct PlacedArrow {
    /// The end that wears the label.
    pub(super) labelled: Touch,
    pub(super) other: Touch,
    /// Whether the label is at the sender.
    pub(super) at_sender: bool,
    pub(super) label: Rect,
    pub(super) course: Course,
}

/// How an arrow runs from its label to its other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Course {
    /// Straight to this x, and then a curve.
    Curve(i32),
    /// Up or down at this x.
    Lane(i32),
}

/// Everything in its place.
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    /// Outer regions before inner ones.
    pub(super) regions: Vec<PlacedRegion>,
    pub(super) nodes: Vec<PlacedNode>,
    pub(super) arrows: Vec<PlacedArrow>,
    /// What each label says.
    pub(super) labels: Vec<String>,
    /// Right edge of all regions.
    pub(super) right: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Outside,
    Networks,
}

/// Slots of one node: the arrows that touch it at its left and at its right edge, from the top.
#[derive(Clone, Default)]
struct Slots {
    left: Vec<(usize, End)>,
    right: Vec<(usize, End)>,
}

struct Placer<'a> {
    shape: &'a Shape,
    picture: &'a Picture,
    columns: Vec<Column>,
    slots: Vec<Slots>,
    /// Of each arrow that runs in one, counted from 0.
    lanes: Vec<i32>,
    labels: Vec<String>,
    label_width: i32,
    regions: Vec<PlacedRegion>,
    nodes: Vec<Option<PlacedNode>>,
}

/// A column's own sizes.
#[derive(Clone, Copy)]
struct Span {
    left: i32,
    node_x: i32,
    node_width: i32,
    right: i32,
}

/// Lays a picture out.
pub(super) fn layout(picture: &Picture, shape: &Shape) -> Layout {
    let columns = columns(picture);
    let slots = slots(picture, &columns, shape);
    let lanes = lanes(picture, &columns, shape);
    let labels = shape.labels(picture);
    let widest = labels.iter().map(|label| shape.label_width(label)).max();
    let mut placer = Placer {
        shape,
        picture,
        columns,
        slots,
        lanes,
        labels,
        label_width: widest.unwrap_or(0),
        regions: Vec::new(),
        nodes: picture.nodes.iter().map(|_| None).collect(),
    };
    let (outside, networks) = placer.spans();
    let mut top = MARGIN;
    let mut bottom = MARGIN;
    for region in &picture.outside {
        bottom = placer.region(region, outside, 0, top) + BETWEEN;
        top = bottom;
    }
    top = if shape.two_columns { MARGIN } else { bottom };
    for region in &picture.networks {
        top = placer.region(region, networks, 0, top) + BETWEEN;
    }
    let height = top.max(bottom) - BETWEEN + MARGIN;
    let right = networks.right;
    let joins = i32::try_from(picture.joins.len()).unwrap_or(0);
    let room = if joins > 0 { 6 + 12 * joins } else { 0 };
    let arrows = placer.arrows(outside, networks);
    let Placer { regions, nodes, labels, .. } = placer;
    Layout {
        width: right + room + MARGIN,
        height,
        regions,
        nodes: nodes.into_iter().map(|node| node.expect("every node is in a region")).collect(),
        arrows,
        labels,
        right,
    }
}

impl Shape {
    /// What labels say, as much as there is room for.
    fn labels(&self, picture: &Picture) -> Vec<String> {
        let room = usize::try_from((self.label_max - SIGN) / self.lettering.detail).unwrap_or(1);
        let label = |arrow: &Arrow| text::label(&arrow.words, arrow.failed, room);
        picture.arrows.iter().map(label).collect()
    }

    /// The width of a label that says this.
    pub(super) fn label_width(&self, text: &str) -> i32 {
        let letters = i32::try_from(text.chars().count()).unwrap_or(0);
        (letters * self.lettering.detail + SIGN).min(self.label_max)
    }
}

fn columns(picture: &Picture) -> Vec<Column> {
    let mut columns = vec![Column::Networks; picture.nodes.len()];
    let mut left: Vec<&Item> = picture.outside.iter().flat_map(|region| &region.items).collect();
    while let Some(item) = left.pop() {
        match item {
            Item::Node(node) => columns[*node] = Column::Outside,
            Item::Region(region) => left.extend(&region.items),
        }
    }
    columns
}

/// Who touches whom where; the arrows of an edge in the order of their other ends.
fn slots(picture: &Picture, columns: &[Column], shape: &Shape) -> Vec<Slots> {
    let order = order(picture);
    let mut slots = vec![Slots::default(); picture.nodes.len()];
    for (index, arrow) in picture.arrows.iter().enumerate() {
        let crosses = shape.two_columns && columns[arrow.from] != columns[arrow.to];
        for (node, end) in [(arrow.from, End::Sender), (arrow.to, End::Receiver)] {
            let is_left = crosses && columns[node] == Column::Networks;
            let slots = &mut slots[node];
            let edge = if is_left { &mut slots.left } else { &mut slots.right };
            edge.push((index, end));
        }
    }
    let other = |&(index, end): &(usize, End)| {
        let Arrow { from, to, .. } = picture.arrows[index];
        let other = if end == End::Sender { to } else { from };
        (order[other], index, end == End::Receiver)
    };
    for slots in &mut slots {
        slots.left.sort_by_key(other);
        slots.right.sort_by_key(other);
    }
    slots
}

/// Each node's place from the top.
fn order(picture: &Picture) -> Vec<usize> {
    fn visit(items: &[Item], order: &mut Vec<usize>, next: &mut usize) {
        for item in items {
            match item {
                Item::Node(node) => {
                    order[*node] = *next;
                    *next += 1;
                }
                Item::Region(region) => visit(&region.items, order, next),
            }
        }
    }
    let mut order = vec![0; picture.nodes.len()];
    let mut next = 0;
    for region in picture.outside.iter().chain(&picture.networks) {
        visit(&region.items, &mut order, &mut next);
    }
    order
}

/// How deep regions are nested.
fn depth(region: &Region) -> i32 {
    let inner = region.items.iter().map(|item| match item {
        Item::Node(_) => 0,
        Item::Region(inner) => depth(inner),
    });
    1 + inner.max().unwrap_or(0)
}

impl Placer<'_> {
    /// The columns, left edges to right edges.
    fn spans(&self) -> (Span, Span) {
        let shape = self.shape;
        let deepest = |regions: &[Region]| regions.iter().map(depth).max().unwrap_or(0);
        let (outer, inner) = (deepest(&self.picture.outside), deepest(&self.picture.networks));
        if !shape.two_columns {
            let deep = outer.max(inner);
            let span =
                self.span(MARGIN, 0, deep, shape.node_width, self.lanes_room(Column::Networks));
            return (span, span);
        }
        let outside_lanes = self.lanes_room(Column::Outside);
        let outside = match self.picture.outside.is_empty() {
            true => Span { left: MARGIN, node_x: MARGIN, node_width: 0, right: MARGIN },
            false => self.span(MARGIN, 0, outer, shape.outside_width, outside_lanes),
        };
        let crosses = self.slots.iter().any(|slots| !slots.left.is_empty());
        let gutter = match (self.picture.outside.is_empty(), crosses) {
            (true, _) => 0,
            (false, false) => shape.gutter / 2,
            (false, true) => shape.gutter,
        };
        let labels = if crosses { self.label_width + GAP } else { 0 };
        let lanes = self.lanes_room(Column::Networks);
        // without labels beside them nodes have their room
        let spare = if lanes == 0 { shape.label_max / 2 } else { 0 };
        let width = shape.node_width + spare;
        let networks = self.span(outside.right + gutter, labels, inner, width, lanes);
        (outside, networks)
    }

    fn span(&self, left: i32, labels: i32, depth: i32, node_width: i32, lanes: i32) -> Span {
        let pads = depth * self.shape.pad;
        let node_x = left + pads + labels;
        Span { left, node_x, node_width, right: node_x + node_width + lanes + pads }
    }

    fn lane_column(&self, arrow: &Arrow) -> Option<Column> {
        lane_column(self.shape, &self.columns, arrow)
    }

    /// Room to the right of a column's nodes for labels and lanes.
    fn lanes_room(&self, column: Column) -> i32 {
        let in_column = |arrow: &&Arrow| self.lane_column(arrow) == Some(column);
        let lanes = self.picture.arrows.iter().zip(&self.lanes);
        let last = lanes.filter(|(arrow, _)| in_column(arrow)).map(|(_, lane)| *lane).max();
        match last {
            None => 0,
            Some(last) => GAP + self.label_width + (last + 2) * self.shape.lane,
        }
    }

    /// Places a region and what it holds; gives its lower edge.
    fn region(&mut self, region: &Region, span: Span, depth: i32, top: i32) -> i32 {
        let pad = self.shape.pad;
        let left = span.left + depth * pad;
        let width = span.right - depth * pad - left;
        let letters = &self.shape.lettering;
        let header = letters.block(&region.title, &region.details, &[], width - 2 * pad);
        let place = self.regions.len();
        let mut y = top + header.height + pad;
        self.regions.push(PlacedRegion {
            kind: region.kind,
            id: region.id.clone(),
            rect: Rect { x: left, y: top, width, height: 0 },
            header,
        });
        for item in &region.items {
            y = BETWEEN
                + match item {
                    Item::Node(node) => self.node(*node, span, y),
                    Item::Region(inner) => self.region(inner, span, depth + 1, y),
                };
        }
        let bottom = match region.items.is_empty() {
            true => y,
            false => y - BETWEEN + pad,
        };
        self.regions[place].rect.height = bottom - top;
        bottom
    }

    fn node(&mut self, index: NodeIndex, span: Span, top: i32) -> i32 {
        let Node { title, details, groups, .. } = &self.picture.nodes[index];
        let pad = 10;
        let letters = &self.shape.lettering;
        let block = letters.block(title, details, groups, span.node_width - 2 * pad);
        let slots = &self.slots[index];
        let slots = slots.left.len().max(slots.right.len());
        let slots = i32::try_from(slots).unwrap_or(i32::MAX / 64) * self.shape.slot;
        let height = (block.height + pad).max(slots + 6);
        let rect = Rect { x: span.node_x, y: top, width: span.node_width, height };
        self.nodes[index] = Some(PlacedNode { rect, block });
        top + height
    }

    fn touch(&self, node: NodeIndex, arrow: usize, end: End) -> Touch {
        let rect = self.nodes[node].as_ref().expect("every node is in a region").rect;
        let Slots { left, right } = &self.slots[node];
        let find = |edge: &[(usize, End)]| {
            let place = edge.iter().position(|it| *it == (arrow, end))?;
            Some((i32::try_from(place).ok()?, i32::try_from(edge.len()).ok()?))
        };
        let (side, x, (place, of)) = match find(left) {
            Some(found) => (-1, rect.x, found),
            None => (1, rect.right(), find(right).expect("every arrow has a slot at either end")),
        };
        let first = rect.y + (rect.height - of * self.shape.slot) / 2;
        Touch { x, y: first + place * self.shape.slot + self.shape.slot / 2, side }
    }

    fn arrows(&self, outside: Span, networks: Span) -> Vec<PlacedArrow> {
        let placed = self.picture.arrows.iter().enumerate().map(|(index, arrow)| {
            let sender = self.touch(arrow.from, index, End::Sender);
            let receiver = self.touch(arrow.to, index, End::Receiver);
            let lane_column = self.lane_column(arrow);
            let at_sender = match lane_column {
                // labels of arrows between the columns stand at the networks
                None => self.columns[arrow.from] == Column::Networks,
                Some(_) => arrow.decided == End::Sender,
            };
            let (labelled, other) = if at_sender { (sender, receiver) } else { (receiver, sender) };
            let width = self.shape.label_width(&self.labels[index]);
            let x = match labelled.side {
                -1 => labelled.x - GAP - width,
                _ => labelled.x + GAP,
            };
            let label = Rect { x, y: labelled.y - LABEL_HEIGHT / 2, width, height: LABEL_HEIGHT };
            let course = match lane_column {
                None => Course::Curve(networks.left),
                Some(column) => {
                    let span = if column == Column::Outside { outside } else { networks };
                    let first = span.node_x + span.node_width + GAP + self.label_width;
                    Course::Lane(first + (self.lanes[index] + 1) * self.shape.lane)
                }
            };
            PlacedArrow { labelled, other, at_sender, label, course }
        });
        placed.collect()
    }
}

/// Whether an arrow runs in a lane, and of which column.
fn lane_column(shape: &Shape, columns: &[Column], arrow: &Arrow) -> Option<Column> {
    match (shape.two_columns, columns[arrow.from], columns[arrow.to]) {
        (false, _, _) => Some(Column::Networks),
        (true, from, to) => (from == to).then_some(from),
    }
}

/// A lane for each arrow, counted from 0; arrows of a column that run past the same place have
/// different ones. The shorter the way, the nearer.
fn lanes(picture: &Picture, columns: &[Column], shape: &Shape) -> Vec<i32> {
    let order = order(picture);
    let mut arrows: Vec<(usize, usize, usize, Column)> = Vec::new();
    for (index, arrow) in picture.arrows.iter().enumerate() {
        if let Some(column) = lane_column(shape, columns, arrow) {
            let (a, b) = (order[arrow.from], order[arrow.to]);
            arrows.push((a.min(b), a.max(b), index, column));
        }
    }
    arrows.sort_by_key(|&(low, high, index, _)| (high - low, low, index));
    let mut given = vec![0; picture.arrows.len()];
    let mut taken: Vec<(usize, usize, usize, Column)> = Vec::new();
    for (low, high, index, column) in arrows {
        // arrows that meet at a node have their slots there in the order of their other ends
        let meets = |&&(a, b, _, other): &&(usize, usize, usize, Column)| {
            other == column && (b > low && high > a || (a, b) == (low, high))
        };
        let lane = (0..)
            .find(|lane| taken.iter().filter(meets).all(|&(_, _, other, _)| given[other] != *lane));
        given[index] = lane.expect("there are as many lanes as numbers");
        taken.push((low, high, index, column));
    }
    given
}
