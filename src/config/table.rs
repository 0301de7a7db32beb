//! One table of the file, read key by key. What is wrong goes into the report, and the reading goes on. Knows TOML, not
//! what the keys mean.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    fault::Report,
    unknown::judge,
    value::{Wrong, quote},
};

/// One table of the file.
pub(super) struct Table<'a> {
    report: &'a Report<'a>,
    path: String,
    line: usize,
    /// `None`: the file has no such table, and all of it is defaults.
    entries: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The file itself.
    pub(super) fn root(report: &'a Report<'a>, entries: &'a DeTable<'a>) -> Self {
        Self { report, path: String::new(), line: 1, entries: Some(entries), known: Vec::new() }
    }

    /// Goes by another path from here on.
    pub(super) fn rename(&mut self, path: String) {
        self.path = path;
    }

    /// Reads a key that may be absent. `None`: it is, or it is faulty and reported.
    pub(super) fn get<T>(&mut self, key: &'static str, read: impl FnOnce(&'a DeValue<'a>) -> Result<T, Wrong>) -> Option<T> {
        let value = self.value(key)?;
        read(value.get_ref()).map_err(|wrong| self.add(value, key, wrong)).ok()
    }

    /// Reads a key that must be there. `None`: something was reported.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        right: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.demand(key, right);
        self.get(key, read)
    }

    /// Reports a key that is absent.
    pub(super) fn demand(&self, key: &str, right: &str) {
        if !self.has(key) {
            self.report.add_missing(self.line, &self.full(key), Wrong::new("is missing", right));
        }
    }

    /// Reads a list that may be absent or empty, and reports each faulty element at its own line.
    pub(super) fn list<T>(&mut self, key: &'static str, mut read: impl FnMut(&'a DeValue<'a>) -> Result<T, Wrong>) -> Option<Vec<T>> {
        let elements = self.get(key, |value| value.as_array().ok_or_else(|| Wrong::kind(value, "write a list, in brackets")))?;
        let mut list = Vec::new();
        for element in elements {
            match read(element.get_ref()) {
                Ok(one) => list.push(one),
                Err(wrong) => self.add(element, key, wrong),
            }
        }
        (list.len() == elements.len()).then_some(list)
    }

    /// Reads a list that may be absent but not empty; `right` says what to put into it.
    pub(super) fn filled<T>(
        &mut self,
        key: &'static str,
        right: &str,
        read: impl FnMut(&'a DeValue<'a>) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let list = self.list(key, read)?;
        if list.is_empty() {
            self.refuse(key, Wrong::new("is empty", right));
            return None;
        }
        Some(list)
    }

    /// The table at a key; an empty one when it is absent.
    pub(super) fn table(&mut self, key: &'static str) -> Table<'a> {
        let entries =
            self.get(key, |value| value.as_table().ok_or_else(|| Wrong::kind(value, format!("make it a table, under a line `[{key}]`"))));
        Table { report: self.report, path: self.full(key), line: self.line_of(key), entries, known: Vec::new() }
    }

    /// The tables of a list that must be there and not empty, `key[1]` the first; `right` says how to write one. `None`:
    /// something was reported.
    pub(super) fn tables(&mut self, key: &'static str, right: &str) -> Option<Vec<Table<'a>>> {
        self.demand(key, right);
        let elements = self.get(key, |value| value.as_array().ok_or_else(|| Wrong::kind(value, right)))?;
        if elements.is_empty() {
            self.refuse(key, Wrong::new("is empty", right));
        }
        let tables = elements.iter().enumerate().filter_map(|(place, element)| {
            let path = format!("{}[{}]", self.full(key), place + 1);
            let line = self.report.line(element.span().start);
            let entries = element.get_ref().as_table();
            if entries.is_none() {
                self.report.add(line, &path, Wrong::kind(element.get_ref(), right));
            }
            entries.map(|entries| Table { report: self.report, path, line, entries: Some(entries), known: Vec::new() })
        });
        Some(tables.collect()).filter(|tables: &Vec<_>| !tables.is_empty())
    }

    /// Reports a key that could be read but does not go with the others.
    pub(super) fn refuse(&self, key: &str, wrong: Wrong) {
        self.report.add(self.line_of(key), &self.full(key), wrong);
    }

    /// Reports each element of a list that equals one before it, by number: its value may be a person's.
    pub(super) fn refuse_repeats<T: Eq + Hash>(&self, key: &str, list: &[T]) {
        let mut first: HashMap<&T, usize> = HashMap::new();
        for (place, one) in list.iter().enumerate() {
            match first.entry(one) {
                Entry::Vacant(entry) => drop(entry.insert(place)),
                Entry::Occupied(same) => self.report.add(
                    self.line_in(key, place),
                    &self.full(key),
                    Wrong::new(format!("repeats number {} as number {}", same.get() + 1, place + 1), "remove one of them"),
                ),
            }
        }
    }

    /// Refuses these keys for the reason given, where they are there.
    pub(super) fn refuse_all(&mut self, keys: &[&'static str], wrong: &Wrong) {
        let there: Vec<&'static str> = keys.iter().copied().filter(|key| self.has(key)).collect();
        for key in &there {
            self.refuse(key, wrong.clone());
        }
        self.pass(&there);
    }

    /// Takes these keys unread.
    pub(super) fn pass(&mut self, keys: &[&'static str]) {
        self.known.extend_from_slice(keys);
    }

    /// Reports every key that nobody asked for. `secrets`: names of the secrets that belong to this table.
    pub(super) fn finish(self, secrets: &[String]) {
        for key in self.entries.into_iter().flat_map(|entries| entries.keys()) {
            if !self.known.contains(&key.get_ref().as_ref()) {
                let line = self.report.line(key.span().start);
                let shown = quote(key.get_ref());
                self.report.add(line, &self.full(shown.trim_matches('`')), judge(key.get_ref(), &self.known, secrets));
            }
        }
    }

    /// Whether the key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.is_some_and(|entries| entries.contains_key(key))
    }

    /// Line of the key's value, or of the table where the key is absent.
    pub(super) fn line_of(&self, key: &str) -> usize {
        let value = self.entries.and_then(|entries| entries.get(key));
        value.map_or(self.line, |value| self.report.line(value.span().start))
    }

    /// The key as faults name it.
    fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn line_in(&self, key: &str, place: usize) -> usize {
        let element = self.entries.and_then(|entries| entries.get(key)).and_then(|list| list.get_ref().get(place));
        element.map_or_else(|| self.line_of(key), |element| self.report.line(element.span().start))
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        // Where a value could not be read at all, the parser puts an empty one and has said so.
        self.entries?.get(key).filter(|value| !value.span().is_empty())
    }

    fn add(&self, value: &Spanned<DeValue<'_>>, key: &str, wrong: Wrong) {
        self.report.add(self.report.line(value.span().start), &self.full(key), wrong);
    }
}
