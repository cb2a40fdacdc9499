//! Every code that a diagnostic can have, and what there is to say about it.
//!
//! A code never changes its meaning and is never given again. Every example here is read by a
//! test: the wrong one must earn its code, the right one must load.

mod shape;
mod world;

/// A code with its longer text.
pub(crate) struct Code {
    pub code: &'static str,
    pub title: &'static str,
    pub text: &'static str,
    /// Sections of a scenario that earn the code, and the same put right.
    #[cfg(test)]
    pub wrong: &'static str,
    #[cfg(test)]
    pub right: &'static str,
}

macro_rules! code {
    ($code:literal, $title:literal, $text:literal, wrong: $wrong:literal, right: $right:literal) => {
        $crate::codes::Code {
            code: $code,
            title: $title,
            text: concat!(
                $code,
                ": ",
                $title,
                "\n\n",
                $text,
                "\n\nWrong:\n\n",
                $wrong,
                "\nRight:\n\n",
                $right
            ),
            #[cfg(test)]
            wrong: $wrong,
            #[cfg(test)]
            right: $right,
        }
    };
}
pub(crate) use code;

fn all() -> impl Iterator<Item = &'static Code> {
    shape::CODES.iter().chain(world::CODES)
}

/// The longer text of a code; none if there is no such code.
pub fn explain_code(code: &str) -> Option<&'static str> {
    all().find(|it| it.code == code).map(|it| it.text)
}

/// Every code with its title, in order.
pub fn codes() -> &'static [(&'static str, &'static str)] {
    static TITLES: std::sync::LazyLock<Vec<(&'static str, &'static str)>> =
        std::sync::LazyLock::new(|| all().map(|it| (it.code, it.title)).collect());
    &TITLES
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Diagnostic, Source, load};

    /// What an example leaves out.
    const SECTIONS: [(&str, &str); 5] = [
        ("title", "title: An example\n"),
        (
            "vpcs",
            "vpcs:\n  - { id: vpc-shop, cidr: 172.16.0.0/16, ipv6_cidr: '2408:4005:1::/56', \
             vswitches: [ { id: vsw-front, cidr: 172.16.1.0/24 } ] }\n",
        ),
        (
            "security_groups",
            "security_groups:\n  - id: sg-web\n    vpc: vpc-shop\n    rules:\n      - { direction: \
             inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/80, source: \
             0.0.0.0/0 }\n",
        ),
        (
            "instances",
            "instances:\n  - { id: web-1, vswitch: vsw-front, ip: 172.16.1.10, public_ip: \
             47.96.10.1, security_groups: [sg-web], serves: [http] }\n",
        ),
        ("outside", "outside:\n  - { id: visitor, ip: 203.0.113.7 }\n"),
    ];

    /// An example with the sections that it leaves out.
    fn completed(example: &str) -> String {
        let given =
            |section: &str| example.lines().any(|line| line.starts_with(&format!("{section}:")));
        let missing = SECTIONS.iter().filter(|(section, _)| !given(section));
        missing.map(|(_, text)| *text).chain([example]).collect()
    }

    fn findings(text: &str) -> Vec<Diagnostic> {
        match load(Source::new("example.yaml", text)) {
            Ok(scenario) => scenario.warnings,
            Err(findings) => findings,
        }
    }

    #[test]
    fn every_example_is_as_wrong_and_as_right_as_it_says() {
        for Code { code, wrong, right, .. } in all() {
            if *code == "RF0001" {
                continue;
            }
            let whole = matches!(*code, "RF0002" | "RF0004");
            let complete = |example: &str| match whole {
                true => example.to_owned(),
                false => completed(example),
            };
            let found = findings(&complete(wrong));
            assert!(found.iter().any(|it| it.code == *code), "{code}: {found:#?}");
            let found = findings(&complete(right));
            assert!(found.is_empty(), "{code}, right: {found:#?}");
        }
    }

    #[test]
    fn codes_are_in_order_and_stand_once() {
        let codes: Vec<&str> = codes().iter().map(|(code, _)| *code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        assert_eq!(explain_code("RF9999"), None);
        assert!(explain_code("RF0015").unwrap().starts_with("RF0015: "));
    }

    #[test]
    fn every_code_in_use_has_a_text() {
        let files = [
            include_str!("changes.rs"),
            include_str!("diagnostic.rs"),
            include_str!("file/leaves.rs"),
            include_str!("file/node.rs"),
            include_str!("file/read.rs"),
            include_str!("load.rs"),
            include_str!("load/attach.rs"),
            include_str!("load/expectations.rs"),
            include_str!("load/policy.rs"),
            include_str!("load/settings.rs"),
            include_str!("load/topology.rs"),
            include_str!("probe.rs"),
        ];
        let mut used = std::collections::BTreeSet::new();
        for file in files {
            let quoted = file.split('"').skip(1).step_by(1);
            used.extend(quoted.filter(|it| it.len() == 6 && it.starts_with("RF0")));
        }
        let known: std::collections::BTreeSet<&str> =
            codes().iter().map(|(code, _)| *code).collect();
        assert_eq!(used, known);
    }
}
