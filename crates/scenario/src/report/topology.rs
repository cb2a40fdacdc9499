//! The topology of a run as a picture: who is where, and where each flow ended.
//!
//! Owns the drawing. What is in it is decided in `picture` and `flows`, where it stands in
//! `layout`. Shapes and words say what colours say.

mod flows;
mod layout;
mod picture;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod text;

use crate::runner::report::RunReport;
use flows::{Arrow, Ending};
use layout::{Course, GAP, Layout, NARROW, PlacedArrow, PlacedRegion, Shape, WIDE, layout};
use picture::{Join, NodeKind, Picture, RegionKind, picture};
use text::{Block, CHIP_HEIGHT};

use super::svg::{Anchor, Rect, Svg};

/// The picture, for wide and for narrow screens.
pub(super) struct Topology {
    pub(super) wide: String,
    pub(super) narrow: String,
    /// Widths at which their letters are of the page's size.
    pub(super) wide_width: i32,
    pub(super) narrow_width: i32,
    /// What it leaves out, in sentences.
    pub(super) left_out: Vec<String>,
    /// What joins its regions, in words.
    pub(super) joins: Vec<String>,
}

/// Draws a run's topology; `id` is the section's in the page.
pub(super) fn topology(run: &RunReport, id: &str) -> Topology {
    let picture = picture(run);
    let description = description(&picture);
    let (wide, wide_width) = draw(&picture, &WIDE, &format!("{id}-wide"), &description);
    let (narrow, narrow_width) = draw(&picture, &NARROW, &format!("{id}-narrow"), &description);
    let joins = picture.joins.into_iter().map(|join| join.title).collect();
    Topology { wide, narrow, wide_width, narrow_width, left_out: picture.left_out, joins }
}

/// The picture in words.
fn description(picture: &Picture) -> String {
    let titles = |regions: &[picture::Region]| {
        regions.iter().map(|region| region.title.clone()).collect::<Vec<_>>()
    };
    let mut places = titles(&picture.outside);
    places.extend(titles(&picture.networks));
    let joins = picture.joins.iter().map(|join| format!("{}.", join.title));
    let flows = picture.arrows.iter().map(|arrow| format!("{}.", arrow.title));
    let sentences: Vec<String> =
        std::iter::once(format!("{}.", places.join(", "))).chain(joins).chain(flows).collect();
    sentences.join(" ")
}

fn draw(picture: &Picture, shape: &Shape, id: &str, description: &str) -> (String, i32) {
    let layout = layout(picture, shape);
    let class = if shape.two_columns { "topology wide" } else { "topology narrow" };
    let mut svg = Svg::new(
        (layout.width, layout.height),
        class,
        id,
        "Topology, with every flow of the run",
        description,
    );
    for region in &layout.regions {
        draw_region(&mut svg, region);
    }
    for (number, join) in (0..).zip(&picture.joins) {
        draw_join(&mut svg, join, number, &layout, shape);
    }
    for (arrow, placed) in picture.arrows.iter().zip(&layout.arrows) {
        draw_way(&mut svg, arrow, placed);
    }
    for (node, placed) in picture.nodes.iter().zip(&layout.nodes) {
        svg.open(node.kind.class(), &node.title);
        let rect = placed.rect;
        if node.kind == NodeKind::Crowd {
            let behind = Rect { x: rect.x + 4, y: rect.y + 4, ..rect };
            svg.rect("box", behind, 8);
        }
        svg.rect("box", rect, 8);
        let slack = (rect.height - placed.block.height - 6) / 2;
        draw_block(&mut svg, &placed.block, (rect.x + 10, rect.y + slack.clamp(0, 40)));
        svg.close();
    }
    for ((arrow, placed), label) in picture.arrows.iter().zip(&layout.arrows).zip(&layout.labels) {
        draw_label(&mut svg, arrow, placed, label);
    }
    (svg.finish(), layout.width)
}

fn draw_region(svg: &mut Svg, region: &PlacedRegion) {
    svg.open(region.kind.class(), &region.header.title);
    svg.rect("box", region.rect, 12);
    draw_block(svg, &region.header, (region.rect.x + 10, region.rect.y + 2));
    svg.close();
}

fn draw_block(svg: &mut Svg, block: &Block, (x, y): (i32, i32)) {
    svg.text("name", (x, y + 15), Anchor::Start, &block.title);
    for (baseline, line) in &block.lines {
        svg.text("detail", (x, y + baseline), Anchor::Start, line);
    }
    for (left, top, width, text) in &block.chips {
        let rect = Rect { x: x + left, y: y + top, width: *width, height: CHIP_HEIGHT };
        svg.rect("chip", rect, 9);
        let middle = (rect.x + rect.width / 2, rect.y + 13);
        svg.text("chip-name", middle, Anchor::Middle, text);
    }
}

/// A bracket along the right side of what is joined; a site beside its VPCs gets a line to each.
fn draw_join(svg: &mut Svg, join: &Join, number: i32, layout: &Layout, shape: &Shape) {
    let find = |kinds: &[RegionKind], id: &str| {
        let mut regions = layout.regions.iter();
        regions.find(|it| kinds.contains(&it.kind) && it.id == id).map(|it| it.rect)
    };
    let networks = [RegionKind::Vpc, RegionKind::Classic];
    let mut joined: Vec<Rect> = join.networks.iter().filter_map(|id| find(&networks, id)).collect();
    let site = join.site.as_ref().and_then(|id| find(&[RegionKind::OnPremises], id));
    svg.open(if join.is_cen { "join cen" } else { "join line" }, &join.title);
    match site {
        Some(site) if shape.two_columns => {
            for network in joined {
                let (x, y) = (site.right(), site.y + 16);
                let (end, end_y) = (network.x, network.y + 16);
                let middle = (x + end) / 2;
                svg.path("joint", &format!("M{x} {y}C{middle} {y} {middle} {end_y} {end} {end_y}"));
            }
        }
        site => {
            joined.extend(site);
            let x = layout.right + 10 + 12 * number;
            let heights = joined.iter().map(|rect| rect.y + 16);
            let ends = heights.clone().min().zip(heights.max());
            if let Some((top, bottom)) = ends {
                let ticks: String = joined
                    .iter()
                    .map(|rect| format!("M{} {}H{x}", rect.right(), rect.y + 16))
                    .collect();
                svg.path("joint", &format!("M{x} {top}V{bottom}{ticks}"));
            }
        }
    }
    svg.close();
}

/// From an arrow's mark to its middle.
const MARK: i32 = 9;
/// The length of an arrow's head.
const HEAD: i32 = 8;

/// Where the line of an arrow is whole, where it is dotted, and its mark.
struct Strokes {
    whole: Vec<String>,
    dotted: Vec<String>,
    mark: Mark,
}

enum Mark {
    /// A head at a point, towards -1 or 1.
    Head((i32, i32), i32),
    Cross((i32, i32)),
}

fn strokes(arrow: &Arrow, placed: &PlacedArrow) -> Strokes {
    let PlacedArrow { labelled, other, at_sender, label, .. } = placed;
    let side = labelled.side;
    // the far end of the label, seen from the node
    let far = labelled.x + side * (GAP + label.width);
    let near = |from: i32| format!("M{from} {y}H{far}", y = labelled.y);
    let rest = |from: i32, to: i32| course(placed, from, to);
    let beyond = far + side * MARK;
    let at_edge = labelled.x + side * MARK;
    match (arrow.ending, at_sender) {
        (Ending::Arrives | Ending::Refused, true) => Strokes {
            whole: vec![near(labelled.x), rest(far, other.x + other.side * HEAD)],
            dotted: Vec::new(),
            mark: Mark::Head((other.x, other.y), -other.side),
        },
        (Ending::Arrives | Ending::Refused, false) => Strokes {
            whole: vec![rest(far, other.x), near(labelled.x + side * HEAD)],
            dotted: Vec::new(),
            mark: Mark::Head((labelled.x, labelled.y), -side),
        },
        (Ending::AtSender, _) => Strokes {
            whole: vec![format!("M{} {}H{at_edge}", labelled.x, labelled.y)],
            dotted: vec![near(at_edge), rest(far, other.x)],
            mark: Mark::Cross((at_edge, labelled.y)),
        },
        (Ending::AtReceiver, _) => Strokes {
            whole: vec![rest(far, other.x), near(at_edge)],
            dotted: Vec::new(),
            mark: Mark::Cross((at_edge, labelled.y)),
        },
        (Ending::Between, true) => Strokes {
            whole: vec![near(labelled.x), format!("M{far} {}H{beyond}", labelled.y)],
            dotted: vec![rest(beyond, other.x)],
            mark: Mark::Cross((beyond, labelled.y)),
        },
        (Ending::Between, false) => Strokes {
            whole: vec![rest(beyond, other.x)],
            dotted: vec![near(labelled.x)],
            mark: Mark::Cross((beyond, labelled.y)),
        },
    }
}

/// The line from beside the label to the other end.
fn course(placed: &PlacedArrow, from: i32, to: i32) -> String {
    let (y, end) = (placed.labelled.y, placed.other.y);
    match placed.course {
        Course::Curve(border) => {
            let middle = (border + placed.other.x) / 2;
            format!(
                "M{from} {y}H{border}C{middle} {y} {middle} {end} {} {end}H{to}",
                placed.other.x
            )
        }
        Course::Lane(x) => {
            let radius = ((end - y).abs() / 2).min(8);
            let down = (end - y).signum() * radius;
            format!(
                "M{from} {y}H{}Q{x} {y} {x} {}V{}Q{x} {end} {} {end}H{to}",
                x - radius,
                y + down,
                end - down,
                x - radius
            )
        }
    }
}

fn draw_way(svg: &mut Svg, arrow: &Arrow, placed: &PlacedArrow) {
    let Strokes { whole, dotted, mark } = strokes(arrow, placed);
    svg.open(&format!("way {}", arrow.ending.class()), &arrow.title);
    svg.path("whole", &whole.concat());
    if !dotted.is_empty() {
        svg.path("dotted", &dotted.concat());
    }
    match mark {
        Mark::Head((x, y), towards) => {
            let back = x - towards * (HEAD + 2);
            svg.path("head", &format!("M{x} {y}L{back} {}V{}Z", y - 5, y + 5));
        }
        Mark::Cross((x, y)) => svg.path("cross", &cross((x, y), 5)),
    }
    svg.close();
}

fn cross((x, y): (i32, i32), size: i32) -> String {
    let (left, top, double) = (x - size, y - size, 2 * size);
    format!("M{left} {top}l{double} {double}m0 -{double}l-{double} {double}")
}

/// What flows, beside the interface that decided, with a sign for how it ended.
fn draw_label(svg: &mut Svg, arrow: &Arrow, placed: &PlacedArrow, text: &str) {
    let failed = if arrow.failed { " failed" } else { "" };
    svg.open(&format!("label {}{failed}", arrow.ending.class()), &arrow.title);
    let rect = placed.label;
    svg.rect("pill", rect, 9);
    let (x, y) = (rect.x + 12, rect.y + rect.height / 2);
    match arrow.ending {
        Ending::Arrives => svg.path("sign", &format!("M{} {y}l3 3l5 -6", x - 4)),
        Ending::Refused => {
            let (left, top) = (x - 5, y - 3);
            svg.path("sign", &format!("M{left} {top}h6a3 3 0 0 1 0 6h-5m2 -2l-2 2l2 2"));
        }
        Ending::AtSender | Ending::AtReceiver | Ending::Between => {
            svg.path("sign", &cross((x, y), 3));
        }
    }
    svg.text("words", (rect.x + 21, rect.y + 13), Anchor::Start, text);
    svg.close();
}
