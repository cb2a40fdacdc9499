//! Codes of what a file looks like: YAML, keys, values.

use super::{Code, code};

pub(super) const CODES: &[Code] = &[
    code!("RF0001", "The file is not UTF-8",
"A scenario is text in UTF-8. An editor that saves in Latin-1, GBK or UTF-16 makes bytes that mean
nothing here. Save the file as UTF-8.",
wrong: "title: Caf\\xe9        # one byte, Latin-1
",
right: "title: Café           # two bytes, UTF-8
"),
    code!("RF0002", "The file is not YAML",
"The text cannot be read as one YAML document: a bracket is not closed, a quote is missing, lines
are indented unevenly, or a second document begins. Values that hold `: ` or ` #`, or that begin
with a quote, a bracket, `*`, `&`, `!` or `%`, need quotes around them.",
wrong: "title: A scenario: with a colon
",
right: "title: \"A scenario: with a colon\"
"),
    code!("RF0003", "The file is too large, too deep, or grows too much",
"Aliases (`*name`) repeat what an anchor (`&name`) holds. Aliases of aliases of aliases grow
without bounds from a few lines; such a file is refused before it fills the memory. So is one that
nests too deep or has too many bytes.",
wrong: "description: &a [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
",
right: "description: A text
"),
    code!("RF0004", "The file is empty",
"There is nothing in the file but blanks and comments. The smallest scenario has a title.",
wrong: "# nothing yet
",
right: "title: The smallest scenario
"),
    code!("RF0005", "A key stands twice",
"In one map a key stands once. Where it stands twice, one of the two would silently be lost. Other
names of one key (`protocol` and `protocol_type`) count as the same key.",
wrong: "outside:
  - { id: visitor, ip: 203.0.113.7, ip: 203.0.113.8 }
",
right: "outside:
  - { id: visitor, ips: [203.0.113.7, 203.0.113.8] }
"),
    code!("RF0006", "An unknown key",
"The key is none that is known at this place; it is often a slip of the pen. Nothing is ignored,
since an ignored key would be a rule that is not enforced.",
wrong: "outside:
  - { id: visitor, adress: 203.0.113.7, ip: 203.0.113.7 }
",
right: "outside:
  - { id: visitor, ip: 203.0.113.7 }
"),
    code!("RF0007", "Something is missing",
"A key that must be there is not, or one out of several that exclude each other.",
wrong: "expect:
  - { from: visitor, to: web-1, verdict: allow }
",
right: "expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow }
"),
    code!("RF0008", "A value of the wrong kind",
"A list stands where a single value should, a single value where a list should, or nothing at all.
In YAML a list is `[a, b]` or lines that begin with `- `, a map is `{ key: value }` or lines of
`key: value`.",
wrong: "vpcs: vpc-shop
security_groups: []
instances: []
",
right: "vpcs: [ { id: vpc-shop, cidr: 172.16.0.0/16 } ]
security_groups: []
instances: []
"),
    code!("RF0009", "An unknown word",
"At this place only a few words have a meaning. They are read without regard to case, and `_` and
blanks count as `-`.",
wrong: "expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allowed }
",
right: "expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow }
"),
    code!("RF0010", "A number that cannot be",
"The number is no number, is negative, or is outside what this place can hold: a port goes to
65535, an MTU from 576 to 9000.",
wrong: "expect:
  - { from: visitor, to: web-1, tcp: 80000, verdict: allow }
",
right: "expect:
  - { from: visitor, to: web-1, tcp: 8000, verdict: deny }
"),
    code!("RF0011", "An address or range that is none",
"An IPv4 address has four numbers from 0 to 255, a range an address and a length after `/`. An IPv6
address in `{ }` or `[ ]` may need quotes.",
wrong: "outside:
  - { id: visitor, ip: 203.0.113.700 }
",
right: "outside:
  - { id: visitor, ip: 203.0.113.70 }
"),
    code!("RF0012", "A range with host bits set (warning)",
"\"A CIDR with host bits is masked, with a warning.\" 192.168.1.7/16 means the whole of
192.168.0.0/16, which may be more than was meant. Write the range, or the single address.",
wrong: "security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, protocol: Custom TCP, port_range: 80/80, source: 192.168.1.7/16 }
",
right: "security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, protocol: Custom TCP, port_range: 80/80, source: 192.168.0.0/16 }
"),
    code!("RF0013", "A time or bandwidth that is none",
"Times carry their unit and are not negative: `50us`, `2 ms`, `30s`, `5m`, `1h`. Bandwidths are
`64 kbit/s`, `10 Mbit/s`, `1 Gbit/s`.",
wrong: "links:
  web-1: { delay: -2ms }
",
right: "links:
  web-1: { delay: 2ms }
"),
    code!("RF0015", "A masked value",
"The document hides addresses, account ids and group ids behind XX and stars (172.16.XX.XX.XX,
sg-bp1hv6wvmegs036****). They mean nothing: put concrete ones in their place. The address
172.16.XX.XX.XX even has five parts; an IPv4 address has four.",
wrong: "security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, protocol: Custom TCP, port_range: 3306/3306, source: 172.16.XX.XX.XX }
",
right: "security_groups:
  - id: sg-web
    vpc: vpc-shop
    rules:
      - { direction: inbound, protocol: Custom TCP, port_range: 3306/3306, source: 172.16.1.11 }
"),
    code!("RF0016", "An id that cannot be one",
"Ids have letters, digits, `.`, `_` and `-`. An id that looks like an address, or holds `/`, `:` or
blanks, could not be told from what it is written beside. Interfaces are not called `public` or
`private`, since `ID/public` is an address.",
wrong: "outside:
  - { id: the visitor, ip: 203.0.113.7 }
",
right: "outside:
  - { id: the-visitor, ip: 203.0.113.7 }
"),
    code!("RF0017", "Not supported yet",
"`never` and `only` are reserved for a later version. A scenario that has them would look checked
without being so, therefore it is refused.",
wrong: "never:
  - { from: visitor, to: web-1, tcp: 22 }
",
right: "expect:
  - { from: visitor, to: web-1, tcp: 22, verdict: deny }
"),
    code!("RF0018", "Ignored in the simulated world (warning)",
"`attach` gives a port to a real machine. The simulated world has no real machines: a guest of its
own answers in their place.",
wrong: "attach:
  - { instance: web-1, tap: tap0 }
",
right: "attach: []
"),
    code!("RF0019", "Two things that exclude each other",
"Two keys, or two values, cannot both hold: a packet has one protocol, a port one server, a classic
instance no vSwitch.",
wrong: "expect:
  - { from: visitor, to: web-1, tcp: 80, icmp: true, verdict: allow }
",
right: "expect:
  - { from: visitor, to: web-1, tcp: 80, verdict: allow }
  - { from: visitor, to: web-1, icmp: true, verdict: deny }
"),
];
