//! DNS: one question and its answer; over TCP with the length in front (RFC 1035, 4.2.2).

use std::net::{Ipv4Addr, Ipv6Addr};

use simple_dns::TYPE;
use simple_dns::rdata::{A, AAAA, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord};

use super::{Parsed, Wrong};

const NAME: &str = "ringfence.test";
const IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
const IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);
const TTL_S: u32 = 60;

/// Asks for an address.
pub(crate) fn query(id: u16) -> Vec<u8> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        Name::new_unchecked(NAME),
        QTYPE::TYPE(TYPE::A),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec().expect("a query with one short name can be written")
}

/// The answer to a query; `None` if it is none.
pub(crate) fn reply(query: &[u8]) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    if query.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    let question = query.questions.first()?;
    let mut reply = Packet::new_reply(query.id());
    let data = match question.qtype {
        QTYPE::TYPE(TYPE::A) | QTYPE::ANY => Some(RData::A(A::from(IPV4))),
        QTYPE::TYPE(TYPE::AAAA) => Some(RData::AAAA(AAAA::from(IPV6))),
        _ => None,
    };
    match data {
        Some(data) => {
            let name = question.qname.clone();
            reply.answers.push(ResourceRecord::new(name, CLASS::IN, TTL_S, data));
        }
        None => *reply.rcode_mut() = RCODE::NotImplemented,
    }
    reply.questions.push(question.clone());
    reply.build_bytes_vec().ok()
}

/// What the server answered to query `id`: `A 192.0.2.53`.
pub(crate) fn read_answer(id: u16, answer: &[u8]) -> Result<String, Wrong> {
    let packet = Packet::parse(answer).map_err(|_| Wrong)?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return Err(Wrong);
    }
    match packet.answers.first().map(|record| &record.rdata) {
        Some(RData::A(a)) => Ok(format!("A {}", Ipv4Addr::from(a.address))),
        _ => Err(Wrong),
    }
}

/// A message with its length in front, as TCP carries it.
pub(crate) fn with_length(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut bytes = len.to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    bytes
}

/// The message behind its length.
pub(crate) fn without_length(input: &[u8]) -> Parsed<&[u8]> {
    let Some((len, rest)) = input.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes(*len));
    Ok(rest.get(..len).map(|message| (message, 2 + len)))
}
