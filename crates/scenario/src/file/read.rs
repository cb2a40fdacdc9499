//! From a tree to records, with every problem found on the way.
//!
//! Owns what all records share: unknown keys and their suggestions, repeated and missing keys,
//! wrong kinds of values, and the JSON Schema of the same. A record that lacks something is not
//! made, but the rest of the file is read on, so that one reading names everything.

use ringfence_cloud::Origin;
use ringfence_policy::Text;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::node::{Node, Value};
use crate::diagnostic::{Diagnostic, suggestion};

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub list: Vec<Diagnostic>,
}

impl Findings {
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        origin: &Origin,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.list.push(Diagnostic::error(code, message, help, origin.clone()));
    }

    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        origin: &Origin,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.list.push(Diagnostic::warning(code, message, help, origin.clone()));
    }

    /// A value of the wrong kind. Returns `None`, so that a reader can end with it.
    pub(crate) fn wrong_kind<T>(&mut self, node: &Node, wanted: &str) -> Option<T> {
        let message = format!("this is {}, not {wanted}", node.kind());
        self.error("RF0008", &node.origin, message, format!("write {wanted}"));
        None
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.list.iter().any(Diagnostic::is_error)
    }
}

/// Something that can be read from a node.
pub(crate) trait Read: Sized {
    /// Reads it. `None` if it could not be read, which has been reported.
    fn read(node: &Node, findings: &mut Findings) -> Option<Self>;

    /// What it is where the key is absent; `None` if the key must be there.
    fn absent() -> Option<Self> {
        None
    }

    /// Its JSON Schema.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, findings: &mut Findings) -> Option<Option<T>> {
        T::read(node, findings).map(Some)
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

impl<T: Read> Read for Vec<T> {
    /// `key:` with nothing behind it is an empty list. Items that cannot be read are left out.
    fn read(node: &Node, findings: &mut Findings) -> Option<Vec<T>> {
        match &node.value {
            Value::Null => Some(Vec::new()),
            Value::List(items) => {
                Some(items.iter().filter_map(|item| T::read(item, findings)).collect())
            }
            Value::Scalar(_) | Value::Map(_) => findings.wrong_kind(node, "a list"),
        }
    }

    fn absent() -> Option<Vec<T>> {
        Some(Vec::new())
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let items = T::schema(generator);
        json_schema!({ "type": ["array", "null"], "items": items })
    }
}

/// One or several: `ip: 10.0.0.1` or `ip: [10.0.0.1, 10.0.0.2]`.
#[derive(Clone, Debug)]
pub(crate) struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> OneOrMany<T> {
        OneOrMany(Vec::new())
    }
}

impl<T: Read> Read for OneOrMany<T> {
    fn read(node: &Node, findings: &mut Findings) -> Option<OneOrMany<T>> {
        match &node.value {
            Value::List(_) | Value::Null => Vec::read(node, findings).map(OneOrMany),
            Value::Scalar(_) | Value::Map(_) => {
                T::read(node, findings).map(|one| OneOrMany(vec![one]))
            }
        }
    }

    fn absent() -> Option<OneOrMany<T>> {
        Some(OneOrMany(Vec::new()))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (one, many) = (T::schema(generator), Vec::<T>::schema(generator));
        json_schema!({ "anyOf": [one, many] })
    }
}

/// A map whose keys are free, in file order.
#[derive(Clone, Debug)]
pub(crate) struct Entries<T>(pub Vec<(Text, T)>);

impl<T: Read> Read for Entries<T> {
    fn read(node: &Node, findings: &mut Findings) -> Option<Entries<T>> {
        let Value::Map(entries) = &node.value else {
            return match node.value {
                Value::Null => Entries::absent(),
                _ => findings.wrong_kind(node, "a map"),
            };
        };
        repeated_keys(entries, findings);
        let read = entries.iter().filter_map(|(key, value)| {
            let key = Text::read(key, findings);
            let value = T::read(value, findings);
            Some((key?, value?))
        });
        Some(Entries(read.collect()))
    }

    fn absent() -> Option<Entries<T>> {
        Some(Entries(Vec::new()))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let values = T::schema(generator);
        json_schema!({ "type": ["object", "null"], "additionalProperties": values })
    }
}

fn repeated_keys(entries: &[(Node, Node)], findings: &mut Findings) {
    let mut seen = std::collections::HashMap::with_capacity(entries.len());
    for (key, _) in entries {
        let Value::Scalar(name) = &key.value else { continue };
        let Some(first) = seen.insert(name.as_str(), &key.origin) else { continue };
        let message = format!("the key `{name}` stands twice in one map");
        findings.error("RF0005", &key.origin, message, "leave one of them out");
        if let Some(found) = findings.list.last_mut() {
            found.related.push((first.clone(), "it stands here already".to_owned()));
        }
    }
}

/// A map whose keys are known: hands out the value of each key, then names those left over.
pub(crate) struct Fields<'a> {
    what: &'static str,
    origin: &'a Origin,
    entries: &'a [(Node, Node)],
}

impl<'a> Fields<'a> {
    /// The fields of a map that is to be `what` (`a VPC`), whose keys are `known`.
    pub(crate) fn of(
        node: &'a Node,
        what: &'static str,
        known: &[&str],
        findings: &mut Findings,
    ) -> Option<Fields<'a>> {
        let Value::Map(entries) = &node.value else {
            let wanted = format!("{what} (a map with keys such as `{}`)", known[0]);
            return findings.wrong_kind(node, &wanted);
        };
        repeated_keys(entries, findings);
        for (key, _) in entries {
            match &key.value {
                Value::Scalar(name) if known.contains(&name.as_str()) => {}
                Value::Scalar(name) => {
                    let help = match suggestion(name, known.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("{what} has the keys {}", known.join(", ")),
                    };
                    let message = format!("{what} has no key `{name}`");
                    findings.error("RF0006", &key.origin, message, help);
                }
                _ => {
                    let message = format!("a key of {what} is a word, not {}", key.kind());
                    findings.error("RF0008", &key.origin, message, "write a word before the colon");
                }
            }
        }
        Some(Fields { what, origin: &node.origin, entries })
    }

    /// Reads the value of the key that has these names (the first is the usual one).
    pub(crate) fn take<T: Read>(&self, names: &[&str], findings: &mut Findings) -> Option<T> {
        let mut found = self.entries.iter().filter(|(key, _)| match &key.value {
            Value::Scalar(name) => names.contains(&name.as_str()),
            _ => false,
        });
        let first = found.next();
        for (key, _) in found {
            let Value::Scalar(name) = &key.value else { continue };
            if matches!(first, Some((Node { value: Value::Scalar(other), .. }, _)) if other != name)
            {
                let message = format!("`{name}` says the same as another key of this map");
                let help = format!("keep `{}`", names[0]);
                findings.error("RF0005", &key.origin, message, help);
            }
        }
        match first {
            Some((_, value)) => T::read(value, findings),
            None => T::absent().or_else(|| {
                let message = format!("{} needs `{}`", self.what, names[0]);
                findings.error("RF0007", self.origin, message, format!("add `{}: ...`", names[0]));
                None
            }),
        }
    }
}

/// Declares a record: its fields with their types and, where they differ from the field's name,
/// the keys (the usual one first). From one list come the reader and the JSON Schema.
macro_rules! record {
    (@keys $field:ident) => { &[stringify!($field)] };
    (@keys $field:ident $($key:literal)|+) => { &[$($key),+] };
    (
        $(#[doc = $doc:literal])*
        struct $name:ident, $what:literal {
            $($(#[doc = $field_doc:literal])* $field:ident $(= $($key:literal)|+)?: $type:ty,)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        #[allow(dead_code)] // a record holds its place and every key, asked for or not
        pub(crate) struct $name {
            $($(#[doc = $field_doc])* pub $field: $type,)*
            /// Where it stands.
            pub origin: ringfence_cloud::Origin,
        }

        impl $crate::file::read::Read for $name {
            fn read(
                node: &$crate::file::node::Node,
                findings: &mut $crate::file::read::Findings,
            ) -> Option<$name> {
                const KEYS: &[&[&str]] = &[$(record!(@keys $field $($($key)|+)?)),*];
                let known: Vec<&str> = KEYS.iter().copied().flatten().copied().collect();
                let fields = $crate::file::read::Fields::of(node, $what, &known, findings)?;
                $(let $field: Option<$type> =
                    fields.take(record!(@keys $field $($($key)|+)?), findings);)*
                Some($name { $($field: $field?,)* origin: node.origin.clone() })
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                generator.subschema_for::<$name>()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = $crate::file::read::RecordSchema::new(concat!($($doc),*));
                $(schema.add::<$type>(
                    record!(@keys $field $($($key)|+)?),
                    concat!($($field_doc),*),
                    generator,
                );)*
                schema.finish()
            }
        }
    };
}
pub(crate) use record;

/// Gathers the JSON Schema of a record.
pub(crate) struct RecordSchema {
    description: &'static str,
    properties: serde_json::Map<String, serde_json::Value>,
    required: Vec<&'static str>,
}

impl RecordSchema {
    pub(crate) fn new(description: &'static str) -> RecordSchema {
        RecordSchema {
            description: description.trim(),
            properties: serde_json::Map::new(),
            required: Vec::new(),
        }
    }

    pub(crate) fn add<T: Read>(
        &mut self,
        keys: &[&'static str],
        description: &'static str,
        generator: &mut SchemaGenerator,
    ) {
        for key in keys {
            let mut schema = T::schema(generator);
            if !description.is_empty() {
                schema.insert("description".to_owned(), description.trim().into());
            }
            self.properties.insert((*key).to_owned(), schema.to_value());
        }
        if let ([key], None) = (keys, T::absent()) {
            self.required.push(key);
        }
    }

    pub(crate) fn finish(self) -> Schema {
        json_schema!({
            "type": "object",
            "description": self.description,
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        })
    }
}
