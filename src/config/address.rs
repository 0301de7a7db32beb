//! Readers of addresses: a vendor's root, the database, the status page. Pure. No address is repeated in a fault: people
//! paste passwords into them.

use toml::de::DeValue;
use url::{Host, Url};

use super::value::{Wrong, any_text, text};

/// Root of a vendor's API: https, or http on loopback, and nothing in it but host, port and path.
pub(super) fn base_url(value: &DeValue<'_>) -> Result<Url, Wrong> {
    let right = "write `https://` and the vendor's host";
    let mut url = Url::parse(text(value)?).map_err(|fault| Wrong::new(format!("is not a URL ({fault})"), right))?;
    match url.scheme() {
        "https" => (),
        "http" if is_loopback(&url) => (),
        "http" => return Err(Wrong::new("is http, which shows the secrets on the way", "write https: http is for loopback only")),
        _ => return Err(Wrong::new("is not https", right)),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("contains credentials", "leave only host and path, and give the credentials as secrets"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong::new("contains a query or a fragment", "leave only host and path"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The database, without its password.
pub(super) fn database_url(value: &DeValue<'_>) -> Result<Url, Wrong> {
    let right = "write `postgres://user@host/database`";
    let url = Url::parse(text(value)?).map_err(|fault| Wrong::new(format!("is not a URL ({fault})"), right))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") || url.cannot_be_a_base() {
        return Err(Wrong::new("is not a Postgres URL", right));
    }
    // The driver takes one from the query too.
    if url.password().is_some() || url.query_pairs().any(|(key, _)| key.to_ascii_lowercase().contains("password")) {
        return Err(Wrong::new("contains a password", "take it out and put it in the secret database.password"));
    }
    Ok(url)
}

/// `host:port` of the status page; `None` for `""`.
pub(super) fn listen(value: &DeValue<'_>) -> Result<Option<String>, Wrong> {
    let text = any_text(value)?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let good = text.rsplit_once(':').is_some_and(|(host, port)| Host::parse(host).is_ok() && port.parse::<u16>().is_ok());
    if !good {
        return Err(Wrong::new("is not host:port", "write such as `127.0.0.1:9187` or `[::1]:9187`, or `\"\"` for no status page"));
    }
    Ok(Some(text.to_owned()))
}

/// A path below a vendor's root.
pub(super) fn vendor_path(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    if !text.starts_with('/') {
        return Err(Wrong::new("does not start with `/`", "write the path alone, such as `/v2/…`, as on the vendor's page"));
    }
    // `//host` and `/\host` would be another host to whoever joins them to the root.
    let is_odd = |c: char| matches!(c, '?' | '#' | '\\') || c.is_whitespace() || c.is_control();
    if text.starts_with("//") || text.contains(is_odd) {
        return Err(Wrong::new("is not a path alone", "leave out host, query and blanks"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> DeValue<'static> {
        DeValue::String(text.to_owned().into())
    }

    #[test]
    fn a_base_url_is_https_or_loopback_and_loses_its_last_slash() {
        for (written, read) in [
            ("https://eu.api.capillarytech.com", "https://eu.api.capillarytech.com/"),
            ("https://host/v2/", "https://host/v2"),
            ("http://127.0.0.9:8080/x//", "http://127.0.0.9:8080/x"),
            ("http://[::1]:1", "http://[::1]:1/"),
            ("http://LOCALHOST", "http://localhost/"),
        ] {
            assert_eq!(base_url(&value(written)).unwrap().as_str(), read);
        }
    }

    #[test]
    fn what_is_no_base_url_is_told_without_repeating_it() {
        for (text, wrong) in [
            ("", "is empty"),
            ("hunter2", "is not a URL"),
            ("ftp://hunter2", "is not https"),
            ("http://hunter2", "is http"),
            ("http://localhost.hunter2", "is http"),
            ("http://10.0.0.1/hunter2", "is http"),
            ("https://user:hunter2@host", "contains credentials"),
            ("https://hunter2@host", "contains credentials"),
            ("https://host/?key=hunter2", "contains a query"),
            ("https://host/#hunter2", "contains a query or a fragment"),
        ] {
            let fault = base_url(&value(text)).unwrap_err();
            assert!(fault.wrong.starts_with(wrong), "{text}: {fault:?}");
            assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
        }
    }

    #[test]
    fn a_database_url_is_one_of_postgres_without_a_password() {
        for text in ["postgres://u@h/d", "postgresql://h:5433/d?sslmode=require", "postgres:///d?host=/run/postgresql"] {
            assert_eq!(database_url(&value(text)).unwrap().as_str(), text);
        }
        for (text, wrong) in [
            ("mysql://h/d", "is not a Postgres URL"),
            ("postgres:d", "is not a Postgres URL"),
            ("h/d", "is not a URL"),
            ("postgres://u:hunter2@h/d", "contains a password"),
            ("postgres://u@h/d?password=hunter2", "contains a password"),
        ] {
            let fault = database_url(&value(text)).unwrap_err();
            assert!(fault.wrong.starts_with(wrong), "{text}: {fault:?}");
            assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
        }
    }

    #[test]
    fn the_status_page_has_a_host_and_a_port_or_is_off() {
        for text in ["127.0.0.1:9187", "[::1]:0", "localhost:80"] {
            assert_eq!(listen(&value(text)).unwrap().as_deref(), Some(text));
        }
        assert_eq!(listen(&value("")).unwrap(), None);
        for text in ["9187", ":9187", "127.0.0.1", "127.0.0.1:99999", "::1:80", "http://127.0.0.1:1"] {
            assert_eq!(listen(&value(text)).unwrap_err().wrong, "is not host:port", "{text}");
        }
    }

    #[test]
    fn a_vendor_path_cannot_lead_to_another_host() {
        assert_eq!(vendor_path(&value("/v2/UserManagement.svc/x")).unwrap(), "/v2/UserManagement.svc/x");
        assert_eq!(vendor_path(&value("v2/x")).unwrap_err().wrong, "does not start with `/`");
        for text in ["//other.example/x", "/\\other.example", "/x?key=1", "/x#y", "/x y"] {
            assert_eq!(vendor_path(&value(text)).unwrap_err().wrong, "is not a path alone", "{text}");
        }
    }
}
