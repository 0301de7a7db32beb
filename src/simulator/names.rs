//! Example names, plain and odd. Invented people only.

use fastrand::Rng;

const FIRST: [&str; 24] = [
    "Ines", "Tomas", "Meera", "Jonas", "Lucia", "Amara", "Bilal", "Chen", "Dario", "Elif", "Farah", "Goran", "Hana", "Ivo", "Jaya", "Kofi",
    "Lena", "Mateo", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Samir",
];
const LAST: [&str; 20] = [
    "Okafor",
    "Lindqvist",
    "Valdez",
    "Achterberg",
    "Pham",
    "Baptiste",
    "Castellan",
    "Dvorak",
    "Eriksen",
    "Fontaine",
    "Gupta",
    "Horvat",
    "Ibrahim",
    "Jansen",
    "Kowalski",
    "Laurent",
    "Moreno",
    "Nakata",
    "Oyelaran",
    "Petrov",
];
/// Each has broken somebody's text handling: quotes, backslashes, markup, right-to-left, joined emoji, stacked marks,
/// look-alikes of null, white space at the ends, a byte order mark, formulas, SQL.
const ODD: [&str; 20] = [
    "O'Brien \"Bob\" \\n",
    "back\\slash\\",
    "<b>&amp;</b>",
    "مُحَمَّد",
    "שָׁלוֹם",
    "\u{202e}desrever\u{202c}",
    "👩‍👩‍👧‍👦 Ltd",
    "Z\u{300}\u{301}\u{302}a\u{30a}\u{323}l\u{328}g\u{306}o",
    "null",
    "NULL",
    "  spaced  ",
    "tab\tnew\nline\r\n",
    "\u{feff}Bom",
    "=1+1",
    "Robert'); drop table customer;--",
    "𝒜𝓃𝓃𝒶",
    "ﬁligree",
    "İstanbul ı",
    "",
    "{\"a\":[1,null]}",
];

pub(super) fn first(rng: &mut Rng) -> String {
    pick(&FIRST, rng)
}

pub(super) fn last(rng: &mut Rng) -> String {
    pick(&LAST, rng)
}

/// An odd name; one in ten is very long.
pub(super) fn odd(rng: &mut Rng) -> String {
    if rng.u8(..10) == 0 { "Łongname-".repeat(rng.usize(30..600)) } else { pick(&ODD, rng) }
}

pub(super) fn city(rng: &mut Rng) -> String {
    pick(&["Pune", "Lisbon", "Nairobi", "Osaka", "Quito", "Tromsø", "Zürich", "São Paulo"], rng)
}

fn pick(from: &[&str], rng: &mut Rng) -> String {
    from[rng.usize(..from.len())].to_owned()
}
