//! What to say about a key that the file may not have: a typo, or a secret that must not stand here. Pure, and never
//! shown the key's value.

use super::{secrets::variable, value::Wrong};

/// Keys that look like secrets and are none.
const INNOCENT: [&str; 2] = ["password_is_md5", "keys_in"];

/// Parts that give a secret away.
const TELLTALES: [&str; 7] = ["password", "passwd", "passphrase", "pwd", "secret", "token", "credential"];

/// More wrong letters than this are another word.
const TYPO: usize = 2;

/// The fault of a key that is none of `known`, in a table whose secrets are `secrets`.
pub(super) fn judge(key: &str, known: &[&str], secrets: &[String]) -> Wrong {
    let close = closest(key, known);
    match close {
        // `pasword_is_md5` is a typo, not a password.
        Some(close) if INNOCENT.contains(&close) || !looks_secret(key) => Wrong::new("is not known", format!("did you mean `{close}`?")),
        _ if looks_secret(key) => Wrong::new("looks like a secret, and secrets never stand in this file", way_for(key, secrets)),
        _ => Wrong::new("is not known", format!("remove it, or use one of: {}", known.join(", "))),
    }
}

fn looks_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    !INNOCENT.contains(&key.as_str()) && (TELLTALES.iter().any(|part| key.contains(part)) || key.ends_with("key") || key.ends_with("keys"))
}

fn way_for(key: &str, secrets: &[String]) -> String {
    let meant = secrets.iter().find(|name| name.rsplit('.').next().is_some_and(|last| plain(last) == plain(key)));
    let names = meant.map_or(secrets, std::slice::from_ref);
    if names.is_empty() {
        return "remove it: nothing here needs one".to_owned();
    }
    let files = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    let variables = names.iter().map(|name| variable(name)).collect::<Vec<_>>().join(" and ");
    let (file, variable) = if names.len() == 1 { ("the file", "the variable") } else { ("the files", "the variables") };
    format!("give it as {file} {files} in $CREDENTIALS_DIRECTORY, or as {variable} {variables}")
}

/// `accessKey`, `access-key` and `access_key` are one word.
fn plain(key: &str) -> String {
    key.to_lowercase().replace(['_', '-'], "")
}

fn closest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let key = plain(key);
    let near = known.iter().map(|name| (distance(&key, &plain(name)), *name)).min_by_key(|(distance, _)| *distance)?;
    // In a short word, two wrong letters leave nothing.
    (near.0 <= TYPO.min(key.chars().count() / 3)).then_some(near.1)
}

/// Letters to put in, take out or change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["limits", "timeout", "keys_in", "password_is_md5", "till"];

    fn said(key: &str, secrets: &[&str]) -> String {
        let secrets: Vec<String> = secrets.iter().map(|name| (*name).to_owned()).collect();
        let wrong = judge(key, &KNOWN, &secrets);
        format!("{}; {}", wrong.wrong, wrong.right)
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, far) in [("", "", 0), ("abc", "abc", 0), ("limit", "limits", 1), ("kitten", "sitting", 3), ("", "abc", 3)] {
            assert_eq!(distance(a, b), far, "{a} {b}");
        }
    }

    #[test]
    fn a_typo_names_the_closest_key() {
        for (key, meant) in
            [("limit", "limits"), ("time_out", "timeout"), ("key_in", "keys_in"), ("pasword_is_md5", "password_is_md5"), ("til", "till")]
        {
            assert_eq!(said(key, &[]), format!("is not known; did you mean `{meant}`?"), "{key}");
        }
        assert_eq!(said("colour", &[]), "is not known; remove it, or use one of: limits, timeout, keys_in, password_is_md5, till");
    }

    #[test]
    fn a_secret_is_refused_with_its_name_outside_the_file() {
        let names = ["sales.access_key", "sales.secret_key"];
        let one = "looks like a secret, and secrets never stand in this file; \
                   give it as the file `sales.access_key` in $CREDENTIALS_DIRECTORY, or as the variable HIERSYNC_SALES_ACCESS_KEY";
        for key in ["access_key", "accessKey", "access-key", "ACCESS_KEY"] {
            assert_eq!(said(key, &names), one, "{key}");
        }
        for key in ["password", "api_token", "client_secret", "key", "apiKey", "db_pwd", "passphrase", "credentials"] {
            let text = said(key, &names);
            assert!(text.contains("the files `sales.access_key` and `sales.secret_key` in $CREDENTIALS_DIRECTORY"), "{text}");
            assert!(text.contains("variables HIERSYNC_SALES_ACCESS_KEY and HIERSYNC_SALES_SECRET_KEY"), "{text}");
        }
        assert!(said("token", &[]).ends_with("remove it: nothing here needs one"));
    }
}
