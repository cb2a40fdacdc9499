//! The HTML report: what it says, that it says it safely, and that it needs nothing else.

#![allow(clippy::unwrap_used)]

#[path = "report/markup.rs"]
mod markup;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use markup::{Tag, tags, text_of};
use ringfence_scenario::{RunOptions, RunReport, Source, load, report, run};

/// A run of a scenario's text.
fn run_of(name: &str, text: &str) -> RunReport {
    let scenario = match load(Source::new(name, text)) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{name}: {diagnostics:?}"),
    };
    let mut options = RunOptions {
        select: &|_| true,
        seed: None,
        keep_frames: false,
        progress: &mut |_, _| true,
    };
    run(&scenario, &mut options).report
}

const WORLD: &str = r#"
vpcs:
  - { id: vpc-x, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-x, cidr: 172.16.1.0/24 } ] }
security_groups:
  - id: sg-x
    vpc: vpc-x
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/81, source: 0.0.0.0/0 }
      - { direction: inbound, action: forbid, priority: 2, protocol: All, port_range: -1/-1, source: 198.51.100.0/24 }
instances:
  - { id: web-1, vswitch: vsw-x, ip: 172.16.1.10, public_ip: 47.96.10.1, security_groups: [sg-x], serves: [http] }
outside:
  - { id: visitor, ip: 203.0.113.7 }
"#;

/// A run in [`WORLD`].
fn small(head: &str, rest: &str) -> RunReport {
    run_of("folder/small.yaml", &format!("{head}\n{WORLD}\n{rest}"))
}

const EXPECTATIONS: &str = r"
expect:
  - { name: open, from: visitor, to: web-1, tcp: 80, verdict: allow, rule: sg-x/1, sees: replied }
  - { name: shut, from: visitor, to: web-1, tcp: 22, verdict: deny, because: default, sees: timed out, note: Nothing is heard. }
  - { name: idle, from: visitor, to: web-1, tcp: 81, verdict: allow, sees: refused }
";

/// Everything scenarios in the repository say, by file.
fn shipped() -> Vec<RunReport> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")];
    let mut files = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|it| it == "yaml") => {
                    files.insert(path);
                }
                false => {}
            }
        }
    }
    assert!(files.len() >= 20, "{files:?}");
    let runs = files.iter().map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        run_of(name, &std::fs::read_to_string(path).unwrap())
    });
    runs.collect()
}

fn class(tag: &Tag) -> &str {
    tag.attributes.get("class").map_or("", String::as_str)
}

#[test]
fn a_page_says_what_came_of_each_flow() {
    let page = report::html(&[small("title: A small one", EXPECTATIONS)]);
    let text = text_of(&page);
    for words in [
        "A small one",
        "3 passed",
        "0 failed",
        "folder/small.yaml",
        // allowed, closed and denied are told apart
        "allowed, replied",
        "allowed, closed (RST)",
        "denied (silence)",
        "refused (RST)",
        "timed out (silence)",
        "Nothing comes back. A denial is silent: no RST, no ICMP error.",
        "Nothing is heard.",
        // the walk, there and back
        "inbound at web-1 allowed, by rule sg-x/1 (inbound allow, priority 1; folder/small.yaml:9:9)",
        "inbound at web-1 denied, by the default of a basic group: inbound deny",
        "outbound at web-1 allowed, because it belongs to a live session",
        // rules in the document's words, and how often they decided
        "Rule direction Action Priority Protocol type Port range Authorization object",
        "sg-x/1 small.yaml:9 inbound allow 1 Custom TCP Destination: 80/81 Source: 0.0.0.0/0 2×",
        "sg-x/2 small.yaml:10 inbound forbid 2 All Destination: -1/-1 Source: 198.51.100.0/24 0×",
        "Inbound, before all rules: members of the group are let in (same-group Accept).",
        "Virtual time: modelled links and queues, not a measurement.",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    let open = tags(&page)
        .into_iter()
        .filter(|tag| tag.name == "details")
        .filter(|tag| tag.attributes.contains_key("open"));
    assert_eq!(open.count(), 0, "walks are folded away while all is as expected");
}

#[test]
fn what_failed_stands_at_the_top_and_is_open() {
    let rest = "
expect:
  - { name: wrong, from: visitor, to: web-1, tcp: 22, verdict: allow, sees: connected }
  - { name: right, from: visitor, to: web-1, tcp: 80, verdict: allow }
";
    let page = report::html(&[small("title: One of two", rest)]);
    let text = text_of(&page);
    let failures = "expected allow, the verdict is deny (default at inbound); \
                    the guest was to see `connected`, and saw `timed out`";
    assert!(text.contains(&format!("Not as expected wrong : {failures}")), "{text}");
    let all = tags(&page);
    let header = all.iter().find(|tag| tag.name == "header").unwrap();
    assert_eq!(class(header), "page failed");
    let open: Vec<&str> = all
        .iter()
        .filter(|tag| tag.name == "details" && tag.attributes.contains_key("open"))
        .map(class)
        .collect();
    assert_eq!(open, ["flow failed"]);
    // in the picture: an arrow of its own, with a mark that is no colour
    assert!(page.contains(">! tcp/22</text>"), "{page}");
}

/// A run whose title, description, names and note are these, as YAML writes them in quotes.
fn with_texts(texts: [&str; 7]) -> RunReport {
    let [title, description, first, note, second, third, load] = texts;
    let head = format!("title: \"{title}\"\ndescription: \"{description}\"");
    let rest = format!(
        r#"
expect:
  - {{ name: "{first}", note: "{note}", from: visitor, to: web-1, tcp: 80, verdict: allow }}
  - {{ name: "{second}", from: visitor, to: web-1, tcp: 22, verdict: allow }}
  - {{ name: "{third}", from: 198.51.100.77, to: web-1, tcp: 80, verdict: allow }}
traffic:
  - {{ name: "{load}", from: visitor, to: web-1, tcp: 80, rate: 10, duration: 1s }}
"#
    );
    small(&head, &rest)
}

#[test]
fn hostile_names_are_text() {
    let page = report::html(&[with_texts([
        r#"<script>alert(1)</script> & \"both\" 'quotes'"#,
        r"</style><img src=x onerror=alert(2)> {{ 7*7 }} {% raw %} <!-- \u0001",
        "<script>alert('name')</script>",
        "<iframe src=javascript:alert(3)>",
        r#"\"><svg onload=alert(4)>"#,
        r"]]> --> &amp; \u202e",
        "<b>load</b>",
    ])]);
    let tame = report::html(&[with_texts(["a", "b", "c", "d", "e", "f", "g"])]);
    let shape = |page: &str| {
        let names = |tag: Tag| (tag.name, tag.attributes.into_keys().collect::<Vec<_>>());
        tags(page).into_iter().map(names).collect::<Vec<_>>()
    };
    assert_eq!(shape(&page), shape(&tame), "texts make no markup");
    let text = text_of(&page);
    for words in [
        "<script>alert(1)</script> & \"both\" 'quotes'",
        "</style><img src=x onerror=alert(2)> {{ 7*7 }} {% raw %} <!-- \u{fffd}",
        "<script>alert('name')</script>",
        "<iframe src=javascript:alert(3)>",
        "\"><svg onload=alert(4)>",
        "]]> --> &amp; \u{202e}",
        "<b>load</b>",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn a_page_is_well_formed_and_its_links_lead_somewhere() {
    let runs = shipped();
    let page = report::html(&runs);
    let tags = tags(&page);
    let mut ids = BTreeMap::new();
    for tag in &tags {
        if let Some(id) = tag.attributes.get("id") {
            *ids.entry(id.clone()).or_insert(0) += 1;
        }
    }
    let twice: Vec<_> = ids.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    for tag in &tags {
        let labels = tag.attributes.get("aria-labelledby").map_or("", String::as_str);
        let target = tag.attributes.get("href").and_then(|href| href.strip_prefix('#'));
        for id in labels.split_whitespace().chain(target) {
            assert!(ids.contains_key(id), "{tag:?} leads nowhere");
        }
    }
    let text = text_of(&page);
    for run in &runs {
        assert!(text.contains(run.title.trim()), "{}", run.title);
    }
    let sections = tags.iter().filter(|tag| tag.name == "section").count();
    assert_eq!(sections, runs.len());
    let pictures = tags.iter().filter(|tag| class(tag).starts_with("topology ")).count();
    assert_eq!(pictures, 2 * runs.len(), "one for wide screens, one for narrow ones");
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let page = report::html(&shipped());
    for tag in tags(&page) {
        assert!(!["script", "img", "iframe", "object", "base"].contains(&tag.name.as_str()));
        for (name, value) in &tag.attributes {
            let is_inside = match name.as_str() {
                "href" if tag.name == "link" => value.starts_with("data:"),
                "href" => value.starts_with('#'),
                "src" | "srcset" | "action" | "poster" | "data" => false,
                "style" => !value.contains("url("),
                _ => true,
            };
            assert!(is_inside, "{tag:?}");
        }
    }
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert!(!style.contains("url(") && !style.contains("@import") && !style.contains("http"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
    let policy = policy.replace('\'', "&#39;");
    assert!(page.replace('\'', "&#39;").contains(&policy), "its own policy forbids it");
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let page = || report::html(&[small("title: Twice", EXPECTATIONS)]);
    assert_eq!(page(), page());
}

#[test]
fn generators_report_throughput_and_latencies() {
    let rest = "
links:
  visitor: { delay: 2ms }
traffic:
  - { name: let in, from: visitor, to: web-1, tcp: 80, flows: 4, rate: 500, frame_bytes: 200, duration: 2s }
  - { name: kept out, from: visitor, to: web-1, udp: 9, rate: 100, duration: 1s }
";
    let run = small("title: Load", rest);
    let text = text_of(&report::html(std::slice::from_ref(&run)));
    for words in [
        "let in visitor → web-1 tcp/80 allow rule sg-x/1, at inbound",
        "offered 500 frames/s for 2 s sent 1\u{202f}000 frames received 1\u{202f}000 frames, \
         200\u{202f}000 bytes lost 0 frames, 0 % throughput 800 kbit/s 500 frames/s",
        "Latency shortest 2.05 ms median 2.05 ms mean 2.05 ms 90 % 2.05 ms 99 % 2.05 ms 99.9 % \
         2.05 ms longest 2.05 ms",
        "Latency histogram of let in",
        "latency, virtual time",
        "kept out visitor → web-1 udp/9 deny default, at inbound offered 100 frames/s for 1 s \
         sent 100 frames received 0 frames, 0 bytes denied or lost 100 frames, 100 % throughput \
         0 bit/s",
        "Nothing arrived, so there is no latency.",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    assert_eq!(run.generators.len(), 2);
}

#[test]
fn changed_rules_are_not_counted_as_the_old_ones() {
    let rest = "
changes:
  - at: 2s
    set_rules:
      group: sg-x
      rules:
        - { direction: inbound, action: allow, priority: 7, protocol: Custom TCP, port_range: 22/22, source: 0.0.0.0/0 }
expect:
  - { name: before, from: visitor, to: web-1, tcp: 80, at: 1s, verdict: allow, session: { kept: false, every: 1s, until: 6s } }
  - { name: after, from: visitor, to: web-1, tcp: 22, at: 3s, verdict: allow }
";
    let text = text_of(&report::html(&[small("title: Changed", rest)]));
    for words in [
        "Changes while frames flowed 2 s rules of sg-x",
        "These are the rules at the start. They were replaced at 2 s (small.yaml:",
        "decisions since: sg-x/1 1.",
        "Source: 0.0.0.0/0 – sg-x/2",
        "The session was cut, and on paper it is cut:",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn a_report_is_written_into_a_new_folder() {
    let folder = std::env::temp_dir().join(format!("ringfence-report-{}", std::process::id()));
    let runs = [small("title: Written", EXPECTATIONS)];
    let path = report::write(&folder.join("new"), &runs).unwrap();
    assert_eq!(path, folder.join("new/index.html"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), report::html(&runs));
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(report::write(Path::new("/dev/null/no-folder"), &runs).is_err());
}

/// "Contrast AA": 4.5 between words and what they stand on, in both colour schemes.
#[test]
fn words_stand_out_from_what_they_stand_on() {
    let style = include_str!("../src/report/style.css");
    let dark = style.find("@media (prefers-color-scheme: dark)").unwrap();
    let end = dark + style[dark..].find("}\n}").unwrap();
    let pairs = [
        ("ink", "page"),
        ("ink", "panel"),
        ("ink", "soft"),
        ("ink", "vpc"),
        ("ink", "vswitch"),
        ("ink", "classic"),
        ("ink", "site"),
        ("muted", "page"),
        ("muted", "panel"),
        ("muted", "soft"),
        ("muted", "vpc"),
        ("muted", "vswitch"),
        ("muted", "classic"),
        ("muted", "site"),
        ("muted", "deny-soft"),
        ("accent", "page"),
        ("accent", "panel"),
        ("accent", "deny-soft"),
        ("band-ink", "band"),
        ("band-soft", "band"),
        ("allow", "allow-soft"),
        ("allow", "panel"),
        ("deny", "deny-soft"),
        ("deny", "panel"),
        ("closed", "closed-soft"),
        ("closed", "page"),
        ("chip-ink", "chip"),
    ];
    for (scheme, text) in [("light", &style[..dark]), ("dark", &style[dark..end])] {
        for (front, back) in pairs {
            let ratio = contrast(colour(text, front), colour(text, back));
            assert!(ratio >= 4.5, "{scheme}: {front} on {back} has {ratio:.2}");
        }
    }
}

fn colour(style: &str, name: &str) -> [f64; 3] {
    let value = style.split(&format!("--{name}: #")).nth(1).unwrap();
    let part = |place: usize| {
        let part = f64::from(u8::from_str_radix(&value[place..place + 2], 16).unwrap()) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    [part(0), part(2), part(4)]
}

/// As WCAG 2 defines it.
fn contrast(front: [f64; 3], back: [f64; 3]) -> f64 {
    let luminance = |[red, green, blue]: [f64; 3]| 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    let (front, back) = (luminance(front), luminance(back));
    (front.max(back) + 0.05) / (front.min(back) + 0.05)
}
