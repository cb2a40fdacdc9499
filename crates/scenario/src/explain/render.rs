//! An explanation as a person reads it: the verdict first, then why, then the way.

use std::fmt;
use std::fmt::Write as _;

use super::{Explanation, Nearest, RuleAccount, SideAccount, WayBack};
use crate::answer::Answer;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.answer.verdict.to_uppercase();
        writeln!(f, "{verdict} {} at {}: {}", self.packet_words, self.from, self.reason)?;
        if self.answer.allowed() {
            writeln!(f, "  it reaches {}", self.answer.to.as_deref().unwrap_or("nobody"))?;
        } else {
            let silence = match self.answer.stage {
                "outbound" | "inbound" => ": the sender hears nothing, and times out",
                _ => "",
            };
            writeln!(f, "  it is dropped at stage {}{silence}", self.answer.stage)?;
        }

        writeln!(f, "\nThe way there")?;
        write_walk(f, &self.walk)?;
        match &self.way_back {
            Some(back) => write_way_back(f, back)?,
            None => writeln!(f, "\nThe way back\n  nothing answers such a packet, or none could")?,
        }
        for account in self.outbound_account.iter().chain(&self.inbound_account) {
            write_account(f, account)?;
        }
        Ok(())
    }
}

fn write_walk(f: &mut fmt::Formatter<'_>, walk: &[String]) -> fmt::Result {
    for (number, step) in (1..).zip(walk) {
        writeln!(f, "  {number}. {step}")?;
    }
    Ok(())
}

fn write_way_back(f: &mut fmt::Formatter<'_>, back: &WayBack) -> fmt::Result {
    writeln!(f, "\nThe way back: {}", back.reply_words)?;
    match &back.reply {
        Some(reply) => {
            writeln!(f, "  {}, because = {}", reply.verdict, reply.because)?;
            write_walk(f, &back.walk)?;
        }
        None => writeln!(f, "  nothing to answer: the packet does not get there")?,
    }
    if let (Some(by_rules), Some(reason)) = (&back.by_rules_alone, &back.by_rules_reason) {
        let Answer { verdict, .. } = by_rules;
        writeln!(f, "  by rules alone, without a session, it would be: {verdict}, {reason}")?;
    }
    Ok(())
}

fn write_account(f: &mut fmt::Formatter<'_>, account: &SideAccount) -> fmt::Result {
    let SideAccount { direction, interface, verdict, reason, .. } = account;
    writeln!(f, "\nWhat {interface} considered, {direction}: {verdict}, {reason}")?;
    for group in &account.groups {
        writeln!(
            f,
            "  {}: {}, same-group {}, {} of its {} rules are {direction} here",
            group.group, group.kind, group.same_group, group.rules_considered, group.rules_total
        )?;
    }
    for rule in &account.rules {
        writeln!(f, "  {} {}", mark(rule), rule_line(rule)?)?;
        writeln!(f, "      {}", rule.why)?;
    }
    for note in &account.notes {
        writeln!(f, "  note: {note}")?;
    }
    if let Some(Nearest { id, origin, lacks, .. }) = &account.nearest {
        writeln!(f, "  nearest rule that would have allowed: {id} ({origin})")?;
        for lack in lacks {
            writeln!(f, "      {lack}")?;
        }
    }
    Ok(())
}

fn mark(rule: &RuleAccount) -> char {
    match (rule.decides, rule.matches) {
        (true, _) => '>',
        (false, true) => '=',
        (false, false) => '-',
    }
}

fn rule_line(rule: &RuleAccount) -> Result<String, fmt::Error> {
    let RuleAccount { id, action, priority, protocol, ports, object, origin, .. } = rule;
    let mut line = String::new();
    write!(line, "{id}: {action}, priority {priority}, {protocol} {ports}, {object} ({origin})")?;
    Ok(line)
}
