//! A reader of markup that accepts nothing sloppy: every element closed where it was opened, every
//! attribute quoted and named once, no bare `<` or `&` in texts.

use std::collections::BTreeMap;

/// A start tag.
#[derive(Clone, Debug)]
pub struct Tag {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
}

enum Piece {
    Start(Tag),
    Text(String),
}

const VOID: [&str; 3] = ["meta", "link", "br"];

/// Every start tag of a page that is well formed.
pub fn tags(page: &str) -> Vec<Tag> {
    let pieces = pieces(page).into_iter().filter_map(|piece| match piece {
        Piece::Start(tag) => Some(tag),
        Piece::Text(_) => None,
    });
    pieces.collect()
}

/// What a page says, words separated by single spaces.
pub fn text_of(page: &str) -> String {
    let mut words = Vec::new();
    for piece in pieces(page) {
        if let Piece::Text(text) = piece {
            let pieces = text.split(|it: char| it.is_ascii_whitespace());
            words.extend(pieces.filter(|word| !word.is_empty()).map(ToOwned::to_owned));
        }
    }
    words.join(" ")
}

fn pieces(page: &str) -> Vec<Piece> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let mut open: Vec<String> = Vec::new();
    let mut pieces = Vec::new();
    while let Some(start) = rest.find('<') {
        if !rest[..start].is_empty() {
            pieces.push(Piece::Text(unescaped(&rest[..start])));
        }
        rest = &rest[start + 1..];
        if let Some(end) = rest.strip_prefix('/') {
            let (name, after) = end.split_once('>').expect("an end tag ends");
            assert_eq!(open.pop().as_deref(), Some(name), "before {:.80}", after);
            rest = after;
            continue;
        }
        let (tag, is_closed, after) = start_tag(rest);
        rest = after;
        if tag.name == "style" {
            let (style, after) = rest.split_once("</style>").expect("a style sheet ends");
            assert!(!style.contains('<'), "{style}");
            rest = after;
        } else if !is_closed && !VOID.contains(&tag.name.as_str()) {
            open.push(tag.name.clone());
        }
        pieces.push(Piece::Start(tag));
    }
    assert!(!rest.contains('>') && open.is_empty(), "{open:?}: {rest}");
    pieces
}

fn start_tag(text: &str) -> (Tag, bool, &str) {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '-';
    let end = text.find(|it| !is_name(it)).expect("a tag ends");
    assert!(end > 0, "a bare < before {text:.80}");
    let mut tag = Tag { name: text[..end].to_owned(), attributes: BTreeMap::new() };
    let mut rest = text[end..].trim_start();
    loop {
        if let Some(after) = rest.strip_prefix("/>") {
            return (tag, true, after);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (tag, false, after);
        }
        let end = rest.find(|it| !is_name(it)).expect("an attribute ends");
        assert!(end > 0, "{}: {rest:.80}", tag.name);
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let value = match rest.strip_prefix("=\"") {
            None => String::new(),
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').expect("a value ends");
                assert!(!value.contains('<'), "{name}={value}");
                rest = after;
                unescaped(value)
            }
        };
        rest = rest.trim_start();
        assert!(tag.attributes.insert(name.clone(), value).is_none(), "two of {name}");
    }
}

/// Text without its escapes.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        let (name, after) = rest[start + 1..].split_once(';').expect("a bare &");
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            other => panic!("&{other};"),
        });
        rest = after;
    }
    plain.push_str(rest);
    plain
}
