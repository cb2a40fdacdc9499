//! Where something was said.

use std::fmt;
use std::sync::Arc;

/// A place in a file. Lines and columns count from 1, bytes from 0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin {
    /// The file's name as the user gave it.
    pub file: Arc<str>,
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
    /// Byte offset of the first byte.
    pub start: usize,
    /// Length in bytes.
    pub len: usize,
}

impl Origin {
    /// A place for what no file says: built-in, or made by a program.
    pub fn nowhere() -> Origin {
        Origin { file: Arc::from("<built-in>"), line: 1, column: 1, start: 0, len: 0 }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
