//! Prefix lists and port lists: drafts to lists. Owns what a list may hold; what a rule that names
//! one costs is `quota`'s.

use ipnet::IpNet;
use ringfence_cloud::Origin;
use ringfence_frame::Family;

use crate::object_check::read_range;
use crate::rule_check::check_id;
use crate::violation::Findings;
use crate::words::{self, PortWord};
use crate::{PortList, PortListDraft, PortRange, PrefixList, PrefixListDraft, Text};

/// "prefix lists: MaxEntries 1..200".
const PREFIX_LIST_MAX_ENTRIES: u32 = 200;
/// "port lists: MaxEntries 1..2,000".
const PORT_LIST_MAX_ENTRIES: u32 = 2_000;

/// The list, as far as it can be read: rules that name it are checked all the same.
pub(crate) fn prefix_list(draft: &PrefixListDraft, findings: &mut Findings) -> PrefixList {
    check_id(&draft.id, findings);
    let mut family = draft.family.as_ref().and_then(|text| words::FAMILY.read(text, findings));
    let mut entries: Vec<IpNet> = Vec::new();
    for text in &draft.entries {
        let code = "InvalidPrefixListEntry.Malformed";
        let Some(range) = read_range(text.value.trim(), &text.origin, code, code, findings) else {
            continue;
        };
        let own = Family::of(range.addr());
        if *family.get_or_insert(own) != own {
            let code = "InvalidParam.PrefixListAddressFamilyMismatch";
            let message = format!("`{range}` is of the other IP version than the list");
            findings.error(code, &text.origin, message, "make one list for each IP version");
        } else if entries.contains(&range) {
            say_duplicate(text, findings);
        } else {
            entries.push(range);
        }
    }
    let max_entries = max_entries(
        draft.max_entries.as_ref(),
        draft.entries.len(),
        PREFIX_LIST_MAX_ENTRIES,
        &draft.origin,
        findings,
    );
    let (id, origin) = (draft.id.value.clone(), draft.origin.clone());
    PrefixList { id, max_entries, entries, origin }
}

/// The list, as far as it can be read.
pub(crate) fn port_list(draft: &PortListDraft, findings: &mut Findings) -> PortList {
    check_id(&draft.id, findings);
    let mut entries: Vec<PortRange> = Vec::new();
    for text in &draft.entries {
        let origin = &text.origin;
        match words::port_range(text.value.trim()) {
            Ok(PortWord::Range(range)) if entries.contains(&range) => say_duplicate(text, findings),
            Ok(PortWord::Range(range)) => entries.push(range),
            Ok(PortWord::Any) => {
                let message = "`-1/-1` in a port list";
                let help = "write `1/65535` for every port, or a range as in `80/80`";
                findings.error("InvalidParam.PortRange", origin, message, help);
            }
            Err(wrong) => {
                findings.error("InvalidParam.PortRange", origin, wrong.message, wrong.help);
            }
        }
    }
    let max_entries = max_entries(
        draft.max_entries.as_ref(),
        draft.entries.len(),
        PORT_LIST_MAX_ENTRIES,
        &draft.origin,
        findings,
    );
    let (id, origin) = (draft.id.value.clone(), draft.origin.clone());
    PortList { id, max_entries, entries, origin }
}

fn say_duplicate(text: &Text, findings: &mut Findings) {
    let message = format!("`{}` stands in the list twice", text.value.trim());
    findings.warning("duplicate-entry", &text.origin, message, "leave the second one out");
}

fn max_entries(
    text: Option<&Text>,
    held: usize,
    most: u32,
    list: &Origin,
    findings: &mut Findings,
) -> u32 {
    let code = "list-max-entries";
    let help = format!("write 1 to {most}, and no fewer than the list holds");
    let (max, origin) = match text {
        Some(text) => {
            let word = text.value.trim();
            let number = word.parse::<u32>().ok().filter(|_| words::is_digits(word));
            let Some(max) = number.filter(|max| (1..=most).contains(max)) else {
                let message = format!("max_entries `{word}` is not a number from 1 to {most}");
                findings.error(code, &text.origin, message, help);
                return most;
            };
            (max, &text.origin)
        }
        // A list that is still empty takes the least that it can be made with.
        None => (u32::try_from(held).unwrap_or(u32::MAX).clamp(1, most), list),
    };
    if held > max as usize {
        let message = format!("the list holds {held} entries, and at most {max} may be");
        findings.error(code, origin, message, help);
    }
    max
}
