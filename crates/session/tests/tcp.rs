//! TCP sessions: how they open, when they are established, when they close, what is believed.
//! Each test stands under the sentence of the specification that it holds to.

mod support;

use ringfence_session::TcpMidstream;
use support::Walk;

/// A handshake that offers scaling by 2 bits on both sides: the opener (port 40000, inside) is
/// next to send 1001 and has acknowledged 5001, its peer the other way round. Both windows, of
/// 100 << 2 = 400 bytes, end 400 behind.
const HANDSHAKE: &str = "
    0  out S  seq=1000          win=100 scale=2 -> opens 1 opening until 20000
    10 in  SA seq=5000 ack=1001 win=100 scale=2 -> session 1 established until 910010
    20 out A  seq=1001 ack=5001 win=100         -> session 1 established until 910020
    30 in  A  seq=5001 ack=1001 win=100         -> session 1 established until 910030";

#[track_caller]
fn check(script: &str) {
    Walk::new().check(script);
}

#[track_caller]
fn check_connected(script: &str) {
    let mut walk = Walk::new();
    walk.check(HANDSHAKE);
    walk.check(script);
}

#[track_caller]
fn check_drop(script: &str) {
    let mut walk = Walk::new();
    walk.midstream = TcpMidstream::Drop;
    walk.check(script);
}

/// "a session opens with the first allowed packet, except that a RST never opens one (an allowed
/// RST passes, nothing is remembered)"
#[test]
fn a_session_opens_with_the_first_allowed_packet() {
    check(
        "0 in S seq=1 denied -> denied
         1 in S seq=1        -> opens 1 opening until 20001",
    );
    check(
        "0 in R  seq=1       -> passes
         1 in RA seq=1 ack=2 -> passes
         2 in RS seq=1       -> passes
         3 in S  seq=1       -> opens 1 opening until 20003",
    );
}

/// "With pick-up, any other TCP packet that a rule allows opens one, a SYN-ACK too"
#[test]
fn with_pick_up_any_other_packet_opens_one() {
    for flags in ["S", "SA", "A", "PA", "FA", "F", "none", "SF"] {
        check(&format!("0 out {flags} seq=1 ack=2 -> opens 1 opening until 20000"));
        check(&format!("0 in {flags} seq=1 ack=2 -> opens 1 opening until 20000"));
    }
}

/// "with drop, only a SYN without ACK does (else because = midstream)"; "With drop, a RST without
/// session is midstream too."
#[test]
fn with_drop_only_a_syn_without_ack_opens_one() {
    for flags in ["SA", "A", "PA", "FA", "F", "none", "R", "RA", "RS", "RSA"] {
        check_drop(&format!("0 out {flags} seq=1 ack=2 -> midstream"));
        // before any rule is asked
        check_drop(&format!("0 out {flags} seq=1 ack=2 denied -> midstream"));
    }
    for flags in ["S", "SP", "SF"] {
        check_drop(&format!("0 out {flags} seq=1 -> opens 1 opening until 20000"));
    }
    check_drop("0 out S seq=1 denied -> denied");
}

/// "It is established when both directions have been seen."
#[test]
fn it_is_established_when_both_directions_have_been_seen() {
    check(HANDSHAKE);
    check(
        "0 out A seq=1 ack=9 -> opens 1 opening until 20000
         5 out A seq=2 ack=9 -> session 1 opening until 20005
         9 in  A seq=9 ack=2 -> session 1 established until 910009",
    );
    // Both open at once.
    check(
        "0 in  S seq=1 -> opens 1 opening until 20000
         5 out S seq=7 -> session 1 established until 910005",
    );
}

/// "A retransmitted SYN extends the opening time."
#[test]
fn a_retransmitted_syn_extends_the_opening_time() {
    check(
        "0     out S seq=1 -> opens 1 opening until 20000
         20000 out S seq=1 -> session 1 opening until 40000
         40001 out S seq=1 -> opens 2 opening until 60001",
    );
}

/// "It closes when both FINs have been seen"; "one FIN alone leaves it established"
#[test]
fn it_closes_when_both_fins_have_been_seen() {
    check_connected(
        "100 out FA seq=1001 ack=5001 win=100 -> session 1 established until 910100
         110 in  A  seq=5001 ack=1002 win=100 -> session 1 established until 910110
         120 in  A  seq=5001 ack=1002 len=9   -> session 1 established until 910120
         130 out A  seq=1002 ack=5010 win=100 -> session 1 established until 910130
         200 in  FA seq=5010 ack=1002 win=100 -> session 1 closing until 3200
         210 out A  seq=1002 ack=5011 win=100 -> session 1 closing until 3200",
    );
    // The answerer first.
    check_connected(
        "100 in  FA seq=5001 ack=1001 win=100 -> session 1 established until 910100
         110 out FA seq=1001 ack=5002 win=100 -> session 1 closing until 3110",
    );
    // The same side twice is one FIN.
    check_connected(
        "100 in  FA seq=5001 ack=1001 win=100 -> session 1 established until 910100
         110 in  FA seq=5001 ack=1001 win=100 -> session 1 established until 910110
         120 out FA seq=1001 ack=5001 win=100 -> session 1 closing until 3120",
    );
}

/// "or by a RST"
#[test]
fn it_closes_by_a_rst() {
    check_connected("100 out R  seq=1001          -> session 1 closing until 3100");
    check_connected("100 in  RA seq=5001 ack=1001 -> session 1 closing until 3100");
    // A RST with FIN is a RST.
    check_connected("100 in  RF seq=5001          -> session 1 closing until 3100");
}

/// "the 3 s then run once and packets do not extend them"
#[test]
fn the_closing_time_runs_once() {
    check_connected(
        "100  in  R  seq=5001          -> session 1 closing until 3100
         200  in  R  seq=5001          -> session 1 closing until 3100
         300  out A  seq=1001 ack=5001 -> session 1 closing until 3100
         400  out FA seq=1001 ack=5001 -> session 1 closing until 3100
         500  in  FA seq=5001 ack=1001 -> session 1 closing until 3100
         3100 in  A  seq=5001 ack=1001 -> session 1 closing until 3100
         3101 in  A  seq=5001 ack=1001 -> opens 2 opening until 23101",
    );
}

/// "A SYN on a closing session is a new flow, decided by rules."
#[test]
fn a_syn_on_a_closing_session_is_a_new_flow() {
    check_connected(
        "100 in  R  seq=5001              -> session 1 closing until 3100
         200 out S  seq=8000 denied       -> denied
         300 out A  seq=1001 ack=5001     -> session 1 closing until 3100
         400 out S  seq=8000              -> opens 2 opening until 20400
         500 in  SA seq=1    ack=8001     -> session 2 established until 910500",
    );
    // From the other side, too.
    check_connected(
        "100 in R seq=5001 -> session 1 closing until 3100
         200 in S seq=8000 -> opens 2 opening until 20200",
    );
    // A SYN-ACK is not that, nor a RST that has SYN set.
    check_connected(
        "100 in  R  seq=5001          -> session 1 closing until 3100
         200 in  SA seq=5000 ack=1001 -> session 1 closing until 3100
         300 out RS seq=1001          -> session 1 closing until 3100",
    );
    // On a session that is not closing it is one packet of it.
    check_connected("100 out S seq=8000 -> session 1 established until 910100");
}

/// "RST and FIN count only inside the window: the receiver's last acknowledged number up to its
/// advertised window (scaled if the SYNs were seen ...)"; "A RST or FIN outside the window is
/// forwarded and neither advances nor refreshes"
#[test]
fn rst_and_fin_count_only_inside_the_window() {
    const STAYS: &str = "session 1 established until 910030";
    const REFRESHED: &str = "session 1 established until 910100";
    const CLOSES: &str = "session 1 closing until 3100";
    for (line, rst, fin) in [
        ("100 in  @ seq=5000", STAYS, STAYS),
        ("100 in  @ seq=5001", CLOSES, REFRESHED),
        ("100 in  @ seq=5401", CLOSES, REFRESHED),
        ("100 in  @ seq=5402", STAYS, STAYS),
        ("100 out @ seq=1000", STAYS, STAYS),
        ("100 out @ seq=1001", CLOSES, REFRESHED),
        ("100 out @ seq=1401", CLOSES, REFRESHED),
        ("100 out @ seq=1402", STAYS, STAYS),
    ] {
        check_connected(&format!("{} -> {rst}", line.replace('@', "R")));
        check_connected(&format!("{} -> {fin}", line.replace('@', "F")));
    }
    // A second FIN outside does not close.
    check_connected(
        "100 out FA seq=1001 ack=5001 win=100 -> session 1 established until 910100
         110 in  FA seq=5402 ack=1002 win=100 -> session 1 established until 910100
         120 in  FA seq=5401 ack=1002 win=100 -> session 1 closing until 3120",
    );
}

/// The window moves with what the receiver acknowledges and advertises last.
#[test]
fn the_window_is_the_last_one() {
    check_connected(
        "40 out A seq=1001 ack=5101 win=50 -> session 1 established until 910040
         50 in  R seq=5100                 -> session 1 established until 910040
         51 in  R seq=5302                 -> session 1 established until 910040
         52 in  R seq=5301                 -> session 1 closing until 3052",
    );
    // Numbers wrap around.
    check(
        "0  out S  seq=1000                     -> opens 1 opening until 20000
         10 in  SA seq=4294967200 ack=1001      -> session 1 established until 910010
         20 out A  seq=1001 ack=4294967201 win=100 -> session 1 established until 910020
         30 in  R  seq=4294967200               -> session 1 established until 910020
         31 in  R  seq=6                        -> session 1 established until 910020
         32 in  R  seq=5                        -> session 1 closing until 3032",
    );
}

/// A FIN outside the window leaves nothing behind: neither what it acknowledges nor its window.
#[test]
fn a_fin_outside_the_window_is_not_noted() {
    check_connected(
        "40 in  FA seq=9999 ack=1301 win=1 -> session 1 established until 910030
         50 out R  seq=1001                -> session 1 closing until 3050",
    );
}

/// "(scaled if the SYNs were seen, ...)": in force if both SYNs offer it; a SYN's own window is
/// never scaled.
#[test]
fn the_window_is_scaled_if_both_syns_offer_it() {
    // (opener's SYN, answerer's SYN, right edge of the opener's window)
    for (opener, answerer, edge) in [
        ("scale=2", "scale=3", 5001 + 400),
        ("scale=0", "scale=3", 5001 + 100),
        ("scale=14", "scale=0", 5001 + (100 << 14)),
        ("scale=2", "", 5001 + 100),
        ("", "scale=3", 5001 + 100),
        ("", "", 5001 + 100),
    ] {
        for (sequence, expected) in [
            (edge, "session 1 closing until 3030"),
            (edge + 1, "session 1 established until 910020"),
        ] {
            check(&format!(
                "0  out S  seq=1000          win=9 {opener}   -> opens 1 opening until 20000
                 10 in  SA seq=5000 ack=1001 win=9 {answerer} -> session 1 established until 910010
                 20 out A  seq=1001 ack=5001 win=100 -> session 1 established until 910020
                 30 in  R  seq={sequence}            -> {expected}"
            ));
        }
    }
    // The answerer's window after its SYN-ACK alone: 100, not 400.
    for (sequence, expected) in
        [(1101, "session 1 closing until 3030"), (1102, "session 1 established until 910010")]
    {
        check(&format!(
            "0  out S  seq=1000          win=100 scale=2 -> opens 1 opening until 20000
             10 in  SA seq=5000 ack=1001 win=100 scale=2 -> session 1 established until 910010
             30 out R  seq={sequence}                    -> {expected}"
        ));
    }
}

/// "(... else 64 KiB)": the flow was picked up, or only one SYN was seen.
#[test]
fn the_window_is_64_kib_if_the_syns_were_not_seen() {
    for (sequence, expected) in [
        (4999, "session 1 established until 910010"),
        (5000, "session 1 closing until 3020"),
        (5000 + 65_536, "session 1 closing until 3020"),
        (5000 + 65_537, "session 1 established until 910010"),
    ] {
        for (first, second) in [
            ("A  seq=1000 ack=5000 win=1", "A  seq=5000 ack=1000 win=1"),
            ("SA seq=1000 ack=5000 win=1 scale=9", "A  seq=5000 ack=1001 win=1"),
            ("A  seq=1000 ack=5000 win=1", "SA seq=4999 ack=1000 win=1 scale=9"),
        ] {
            check(&format!(
                "0  out {first}           -> opens 1 opening until 20000
                 10 in  {second}          -> session 1 established until 910010
                 20 in  R  seq={sequence} -> {expected}"
            ));
        }
    }
}

/// "before the peer was heard, a RST that acknowledges the SYN counts (a refused connection)"
#[test]
fn before_the_peer_was_heard_a_rst_that_acknowledges_the_syn_counts() {
    const SYN: &str = "0 out S seq=1000 -> opens 1 opening until 20000";
    const STAYS: &str = "session 1 opening until 20000";
    const CLOSES: &str = "session 1 closing until 3010";
    for (line, expected) in [
        ("10 in  RA seq=0 ack=1000", STAYS),
        ("10 in  RA seq=0 ack=1001", CLOSES),
        ("10 in  RA seq=77 ack=1001", CLOSES),
        ("10 in  RA seq=0 ack=1002", STAYS),
        // It acknowledges nothing without ACK.
        ("10 in  R  seq=0 ack=1001", STAYS),
        // The opener's own: nothing is known of the window of a peer that was not heard.
        ("10 out RA seq=1001 ack=1001", STAYS),
        ("10 out R  seq=1001", STAYS),
        ("10 out FA seq=1001 ack=1", STAYS),
        // A FIN that acknowledges the SYN is not a RST.
        ("10 in  FA seq=0 ack=1001", STAYS),
    ] {
        check(&format!("{SYN}\n{line} -> {expected}"));
    }
    // A SYN with data is acknowledged with its data, or without.
    for (acknowledgement, expected) in
        [(1000, STAYS), (1001, CLOSES), (1101, CLOSES), (1102, STAYS)]
    {
        check(&format!(
            "0  out S  seq=1000 len=100             -> opens 1 opening until 20000
             10 in  RA seq=0 ack={acknowledgement}  -> {expected}"
        ));
    }
    // Once the peer was heard, the window alone counts.
    check(
        "0  out S  seq=1000                       -> opens 1 opening until 20000
         5  in  SA seq=5000 ack=1001              -> session 1 established until 910005
         10 in  RA seq=0 ack=1001                 -> session 1 established until 910005",
    );
    // A repeated SYN is the one to acknowledge.
    check(
        "0  out S  seq=1000       -> opens 1 opening until 20000
         1  out S  seq=2000       -> session 1 opening until 20001
         5  in  RA seq=0 ack=1001 -> session 1 opening until 20001
         10 in  RA seq=0 ack=2001 -> session 1 closing until 3010",
    );
}

/// Of a flow that was picked up, the opener's acknowledged number is known at once, so that the
/// RST of a peer that has forgotten the connection (its number is the one acknowledged) counts
/// before the peer was heard; of the peer's window nothing is known.
#[test]
fn before_the_peer_was_heard_the_window_of_a_picked_up_opener_is_known() {
    const FIRST: &str = "0 out A seq=1000 ack=5000 win=1 -> opens 1 opening until 20000";
    for (line, expected) in [
        ("10 in  R  seq=5000", "session 1 closing until 3010"),
        ("10 in  R  seq=4999", "session 1 opening until 20000"),
        ("10 in  RA seq=0 ack=1000", "session 1 opening until 20000"),
        ("10 out R  seq=1000", "session 1 opening until 20000"),
        ("10 out FA seq=1000 ack=5000", "session 1 opening until 20000"),
        ("10 in  FA seq=5000 ack=1000", "session 1 established until 910010"),
    ] {
        check(&format!("{FIRST}\n{line} -> {expected}"));
    }
    // Nor is the FIN that opens a session believed.
    check(
        "0  out FA seq=1000 ack=5000 -> opens 1 opening until 20000
         10 in  FA seq=5000 ack=1001 -> session 1 established until 910010
         20 out FA seq=1001 ack=5001 -> session 1 closing until 3020",
    );
}

/// A side that sent its SYN and acknowledged nothing yet will acknowledge the peer's SYN first:
/// its window is known from both SYNs.
#[test]
fn a_side_that_acknowledged_nothing_expects_what_follows_the_syn() {
    for (line, expected) in [
        ("20 in  R seq=5000", "session 1 established until 910010"),
        ("20 in  R seq=5001", "session 1 closing until 3020"),
        ("20 in  R seq=5101", "session 1 closing until 3020"),
        ("20 in  R seq=5102", "session 1 established until 910010"),
        ("20 in  F seq=5101", "session 1 established until 910020"),
    ] {
        check(&format!(
            "0  out S  seq=1000          win=100 scale=2 -> opens 1 opening until 20000
             10 in  SA seq=5000 ack=1001 win=100 scale=2 -> session 1 established until 910010
             {line} -> {expected}"
        ));
    }
    // Without the receiver's SYN nothing is known.
    check(
        "0  out none seq=1000       -> opens 1 opening until 20000
         10 in  SA seq=5000 ack=1   -> session 1 established until 910010
         20 in  R  seq=5001         -> session 1 established until 910010",
    );
}

/// A later SYN without ACK leaves the window of a side that has acknowledged something alone.
#[test]
fn a_stray_syn_does_not_move_the_window() {
    check_connected(
        "40 out S seq=9000 win=1 scale=2 -> session 1 established until 910040
         50 in  R seq=5401               -> session 1 closing until 3050",
    );
}

/// A FIN may have data before it. Its segment may begin at the right edge of a full or closed
/// window, or below the window when part of its data was acknowledged already.
#[test]
fn a_fin_counts_by_its_segment_or_its_own_place() {
    for (line, expected) in [
        ("in FA seq=4901 len=99", "session 1 established until 910030"),
        ("in FA seq=4901 len=100", "session 1 established until 910100"),
        ("in FA seq=5001 len=400", "session 1 established until 910100"),
        ("in FA seq=5401 len=1", "session 1 established until 910100"),
        ("in FA seq=5402 len=1", "session 1 established until 910030"),
        // The SYN takes a number before the data.
        ("in SFA seq=4999 len=1", "session 1 established until 910100"),
        ("in SFA seq=4998 len=1", "session 1 established until 910030"),
    ] {
        check_connected(&format!("100 {line} ack=1001 win=100 -> {expected}"));
    }
    check_connected(
        "40 out A  seq=1001 ack=5001 win=0          -> session 1 established until 910040
         50 in  FA seq=5002 ack=1001 win=100        -> session 1 established until 910040
         60 in  FA seq=5001 ack=1001 win=100        -> session 1 established until 910060
         70 in  A  seq=5002 ack=1001 win=0          -> session 1 established until 910070
         80 out FA seq=1001 ack=5002 win=0          -> session 1 closing until 3080",
    );
}

/// "other segments are not checked against the window"
#[test]
fn other_segments_are_not_checked_against_the_window() {
    check_connected(
        "100 in  A  seq=777777 ack=1001 win=100    -> session 1 established until 910100
         110 out PA seq=888888 ack=5001 win=100    -> session 1 established until 910110",
    );
}
