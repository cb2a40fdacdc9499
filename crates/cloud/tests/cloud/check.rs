//! What a world must keep to.

use std::collections::BTreeSet;

use ringfence_cloud::{Origin, World};

use crate::text::world;

/// `LINE Kind[ (RELATED LINE)]: message`
fn shown(world: &World) -> Vec<String> {
    let shown = world.check().into_iter().map(|problem| {
        assert!(!problem.help.is_empty() && !problem.message.ends_with('.'), "{problem:?}");
        let related = problem.related.map(|at| format!(" ({})", at.line)).unwrap_or_default();
        format!("{} {:?}{related}: {}", problem.origin.line, problem.kind, problem.message)
    });
    shown.collect()
}

const FRAME: &str = "vpc a 172.16.0.0/16 2001:db8:a::/56
vswitch a1 a 172.16.1.0/24 2001:db8:a:1::/64
vswitch a2 a 172.16.2.0/24
on-premises office 192.168.0.0/16 a
";

/// Checks each row: lines put under `FRAME` (they begin at line 5), and what is found.
fn check(table: &[(&str, &[&str])]) -> BTreeSet<String> {
    let mut met = BTreeSet::new();
    for &(lines, expected) in table {
        let world = world(&format!("{FRAME}{lines}"));
        assert_eq!(shown(&world), expected, "{lines}");
        met.extend(world.check().iter().map(|problem| format!("{:?}", problem.kind)));
    }
    met
}

fn classes(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
