//! `replay` from outside: the files that it reads and writes, what it prints, and the exit code.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ringfence_frame::build::{self, Envelope};
use ringfence_frame::capture::{self, Record, Writer};
use ringfence_frame::{Direction, Instant, MacAddr, rewrite};
use serde_json::{Value, json};

const WORLD: &str = "
title: Two machines
vpcs:
  - { id: vpc-a, cidr: 172.16.0.0/16, vswitches: [ { id: vsw-a, cidr: 172.16.1.0/24 } ] }
security_groups:
  - id: sg-web
    vpc: vpc-a
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom UDP, port_range: 53/53, source: 0.0.0.0/0 }
  - { id: sg-app, vpc: vpc-a }
instances:
  - id: web-1
    vswitch: vsw-a
    ip: 172.16.1.10
    security_groups: [sg-web]
    interfaces: [ { id: eth1, vswitch: vsw-a, ip: 172.16.1.20, security_groups: [sg-web] } ]
  - { id: app-1, vswitch: vsw-a, ip: 172.16.1.11, security_groups: [sg-app] }
";

const MS: u64 = 1_000_000;
const GATEWAY: MacAddr = MacAddr([0xee, 0xff, 0xff, 0xff, 0xff, 0xff]);

fn mac(last: u8) -> MacAddr {
    MacAddr([0x00, 0x16, 0x3e, 16, 1, last])
}

/// A datagram to `target_port` of another machine of the vSwitch.
fn datagram(source: u8, target: u8, target_port: u16) -> Vec<u8> {
    let envelope = Envelope {
        source_mac: mac(source),
        target_mac: GATEWAY,
        source: [172, 16, 1, source].into(),
        target: [172, 16, 1, target].into(),
        ttl: 64,
    };
    build::udp(&envelope, 5_000, target_port, b"question")
}

/// A folder with the world and some captures.
struct Lab {
    folder: PathBuf,
}

impl Lab {
    fn new(name: &str) -> Lab {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("world.yaml"), WORLD).unwrap();
        Lab { folder }
    }

    /// A pcapng capture.
    fn capture(self, name: &str, frames: &[(u64, Direction, Vec<u8>)]) -> Lab {
        let mut writer = Writer::new(Vec::new(), "eth0").unwrap();
        for (at_ns, direction, bytes) in frames {
            writer.write(Instant::from_ns(*at_ns), *direction, bytes, "").unwrap();
        }
        self.file(name, &writer.finish().unwrap())
    }

    fn file(self, name: &str, bytes: &[u8]) -> Lab {
        fs::write(self.folder.join(name), bytes).unwrap();
        self
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.args(["replay", "world.yaml"]).args(options).current_dir(&self.folder);
        command.env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn run(&self, options: &[&str], code: i32) -> Output {
        let output = self.command(options).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{options:?}: {output:?}");
        output
    }

    /// A run that is refused before anything is written.
    #[track_caller]
    fn refuse(&self, options: &[&str], said: &str) {
        let options = [options, &["--out", "refused"]].concat();
        let output = self.run(&options, 2);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
        assert!(output.stdout.is_empty());
        assert!(!self.folder.join("refused").exists());
    }

    fn verdicts(&self, out: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join(out).join("verdicts.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn files(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.folder.join(out)).unwrap().map(|entry| entry.unwrap());
        let files = entries.map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        });
        files.collect()
    }
}

/// A pcap with microseconds, as tcpdump writes it: the frames, and how much longer they were.
fn pcap(frames: &[(u64, Vec<u8>, usize)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut put = |word: u32| bytes.extend_from_slice(&word.to_le_bytes());
    [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1].into_iter().for_each(&mut put);
    for (at_ns, frame, missing) in frames {
        let len = u32::try_from(frame.len()).unwrap();
        let micros = u32::try_from(at_ns / 1_000).unwrap();
        let words = [1_700_000_000, micros, len, len + u32::try_from(*missing).unwrap()];
        words.into_iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        bytes.extend_from_slice(frame);
    }
    bytes
}

use Direction::{Inbound, Outbound};

/// Captures of both machines, the answers in them as well.
fn lab(name: &str) -> Lab {
    let mut delivered = datagram(10, 11, 5_000);
    rewrite::set_macs(&mut delivered, GATEWAY, mac(11));
    Lab::new(name)
        .capture(
            "app.pcapng",
            &[
                (100 * MS, Outbound, datagram(11, 10, 53)),
                (102 * MS, Inbound, delivered),
                (103 * MS, Outbound, datagram(11, 20, 53)),
                (104 * MS, Outbound, datagram(11, 10, 54)),
                (105 * MS, Outbound, datagram(11, 10, 53)),
            ],
        )
        .capture("web.pcapng", &[(101 * MS, Outbound, datagram(12, 11, 53))])
        .file("control.jsonl", br#"{"at_ns":5000000,"set_rules":{"group":"sg-web","rules":[]}}"#)
}

const INPUTS: [&str; 6] =
    ["--in", "app-1=app.pcapng", "--in", "web-1=web.pcapng", "--control", "control.jsonl"];

fn summary() -> Value {
    json!({
        "allowed": 2,
        "changes": 1,
        "denied": { "default": 2, "spoofed": 1 },
        "format_version": "1.0",
        "frames": 5,
        "frames_out": { "web-1": 1, "web-1/eth1": 1 },
        "sessions_cut": 1,
        "sessions_opened": 4,
        "skipped": 1,
    })
}

#[test]
fn captures_in_verdicts_and_captures_out() {
    let lab = lab("whole");
    let output = lab.run(&[&INPUTS[..], &["--out", "deep/out", "-o", "json"]].concat(), 0);
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), summary());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");

    let told: Vec<Value> = lab
        .verdicts("deep/out")
        .iter()
        .map(|it| {
            json!([
                it["frame"],
                it["port"],
                it["at_ns"],
                it["verdict"],
                it["because"],
                it["stage"],
                it["outbound"]["session"],
                it["inbound"]["session"],
                it["sessions_cut"]
            ])
        })
        .collect();
    let expected = json!([
        [1, "app-1", 0, "allow", "rule", "inbound", 1, 2, null],
        [2, "web-1", 1_000_000, "deny", "spoofed", "admit", null, null, null],
        [3, "app-1", 3_000_000, "allow", "rule", "inbound", 3, 4, null],
        [4, "app-1", 4_000_000, "deny", "default", "inbound", null, null, null],
        [5, "app-1", 5_000_000, "deny", "default", "inbound", 1, null, [2]],
    ]);
    assert_eq!(Value::from(told), expected);

    let files = lab.files("deep/out");
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["verdicts.jsonl", "web-1.pcapng", "web-1_eth1.pcapng"]);
    let mut bytes = datagram(11, 10, 53);
    rewrite::set_macs(&mut bytes, GATEWAY, mac(10));
    let record = Record { at_ns: 0, direction: Some(Inbound), bytes, cut_off: false };
    assert_eq!(capture::read_all(&*files["web-1.pcapng"]).unwrap(), [record]);
    let (one, two) = (b"allow: rule sg-web/1 (inbound)", b"web-1/eth1");
    let second = &files["web-1_eth1.pcapng"];
    assert!(second.windows(one.len()).any(|it| it == one));
    assert!(second.windows(two.len()).any(|it| it == two));
}

#[test]
fn the_same_bytes_twice() {
    let lab = lab("twice");
    for out in ["one", "two"] {
        lab.run(&[&INPUTS[..], &["--out", out]].concat(), 0);
    }
    // the order of the inputs is nothing
    let [in_app, app, in_web, web, control, file] = INPUTS;
    lab.run(&[in_web, web, control, file, in_app, app, "--out", "three"], 0);
    assert_eq!(lab.files("one"), lab.files("two"));
    assert_eq!(lab.files("one"), lab.files("three"));
    assert_eq!(lab.files("one").len(), 3);
}

/// What came out, put in again, is "sent TO the instance".
#[test]
fn what_came_out_does_not_go_in() {
    let lab = lab("again");
    lab.run(&[&INPUTS[..], &["--out", "out"]].concat(), 0);
    let again = ["--in", "web-1=out/web-1.pcapng", "--out", "again", "-o", "json"];
    let summary: Value = serde_json::from_slice(&lab.run(&again, 0).stdout).unwrap();
    assert_eq!((&summary["frames"], &summary["skipped"]), (&json!(0), &json!(1)));
    assert_eq!(lab.files("again"), BTreeMap::from([("verdicts.jsonl".to_owned(), Vec::new())]));
}

#[test]
fn a_table_for_people() {
    let lab = lab("table");
    let output = lab.run(&[&INPUTS[..], &["--out", "out"]].concat(), 0);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "frames    5 taken, 1 skipped\n\
         allowed   2\n\
         denied    3\n                   \
         2  default\n                   \
         1  spoofed\n\
         sessions  4 opened, 1 cut\n\
         changes   1\n\
         came out  2\n                   \
         1  web-1\n                   \
         1  web-1/eth1\n"
    );
    for format in ["yaml", "jsonl"] {
        let output = lab.run(&[&INPUTS[..], &["--out", "out", "-o", format]].concat(), 0);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), summary(), "{text}");
    }
}

/// pcap as well as pcapng; a capture by way of standard input.
#[test]
fn captures_of_other_kinds() {
    let frames = [(0, datagram(11, 10, 53), 0), (2_000, datagram(11, 10, 54), 0)];
    let lab = Lab::new("kinds").file("app.pcap", &pcap(&frames));
    lab.run(&["--in", "app-1=app.pcap", "--out", "file"], 0);
    let mut piped = lab.command(&["--in", "app-1=-", "--out", "piped"]);
    piped.stdin(fs::File::open(lab.folder.join("app.pcap")).unwrap());
    assert_eq!(piped.output().unwrap().status.code(), Some(0));
    let told = |it: &Value| (it["at_ns"].clone(), it["verdict"].clone());
    let expected = [(json!(0), json!("allow")), (json!(2_000), json!("deny"))];
    assert_eq!(lab.verdicts("file").iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(lab.files("file"), lab.files("piped"));
}

#[test]
fn captures_that_cannot_be_read() {
    let whole = datagram(11, 10, 53);
    let cut_off = pcap(&[(0, whole.clone(), 0), (1_000, whole[..40].to_vec(), 10)]);
    let mut broken = pcap(&[(0, whole.clone(), 0), (1_000, whole, 0)]);
    broken.truncate(broken.len() - 7);
    let lab = Lab::new("unreadable")
        .file("cut-off.pcap", &cut_off)
        .file("broken.pcap", &broken)
        .file("none.pcap", b"GIF89a");
    for (input, said) in [
        (
            "app-1=cut-off.pcap",
            "error: cut-off.pcap: record 2: the capture holds 40 bytes and not the whole frame\n",
        ),
        ("app-1=none.pcap", "error: none.pcap: neither a pcap nor a pcapng file\n"),
        (
            "app-1=absent.pcap",
            "error: cannot read absent.pcap: No such file or directory (os error 2)\n",
        ),
    ] {
        lab.refuse(&["--in", input], said);
    }
    let output = lab.run(&["--in", "app-1=broken.pcap", "--out", "out"], 2);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: broken.pcap: record 2: "), "{said}");
}

#[test]
fn wrong_usage() {
    let lab = lab("usage");
    for (options, said) in [
        (
            &["--in", "app-2=app.pcapng"][..],
            "error: `app-2` is no port of this scenario; did you mean `app-1`?\n",
        ),
        (
            &["--in", "app.pcapng"],
            "error: `--in app.pcapng` is not PORT=FILE, such as web-1=web-1.pcap\n",
        ),
        (
            &["--in", "=app.pcapng"],
            "error: `--in =app.pcapng` is not PORT=FILE, such as web-1=web-1.pcap\n",
        ),
        (&["--in", "app-1="], "error: `--in app-1=` is not PORT=FILE, such as web-1=web-1.pcap\n"),
        (
            &["--in", "app-1=-", "--control", "-"],
            "error: only one input can be standard input (-)\n",
        ),
    ] {
        lab.refuse(options, said);
    }
    lab.run(&["--in", "app-1=app.pcapng"], 2);
    lab.run(&["--out", "out"], 2);
}

#[test]
fn a_control_file_that_is_wrong() {
    let lab = lab("control").file(
        "wrong.jsonl",
        b"{\"at_ns\":1,\"set_rules\":{\"group\":\"sg-web\",\"rules\":[]}}\n\
          {\"at_ns\":2,\"set_rules\":{\"group\":\"sg-wep\",\"rules\":[]}}\n",
    );
    let options = ["--in", "app-1=app.pcapng", "--control", "wrong.jsonl", "--out", "out"];
    let output = lab.run(&options, 2);
    let said = String::from_utf8(output.stderr).unwrap();
    for part in ["wrong.jsonl:2:", "there is no security group `sg-wep`", "did you mean `sg-web`?"]
    {
        assert!(said.contains(part), "{said}");
    }
    assert!(!lab.folder.join("out").exists());
}

/// Nothing can be written where a file is in the way: a failure at run time.
#[test]
fn a_folder_that_cannot_be_made() {
    let lab = lab("in-the-way");
    let output = lab.run(&[&INPUTS[..], &["--out", "app.pcapng"]].concat(), 3);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: cannot write app.pcapng: "), "{said}");
}

/// Changes in the scenario belong to `run`; whoever has some is told.
#[test]
fn changes_of_the_scenario_are_left_out() {
    let lab = lab("changes");
    let changes = "changes: [ { at: 0s, set_rules: { group: sg-web, rules: [] } } ]\n";
    fs::write(lab.folder.join("world.yaml"), format!("{WORLD}{changes}")).unwrap();
    let output = lab.run(&["--in", "app-1=app.pcapng", "--out", "out"], 0);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "note: the scenario's own `changes` are left out here; --control makes changes\n"
    );
    assert_eq!(lab.verdicts("out")[0]["verdict"], "allow");
}
