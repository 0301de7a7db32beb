//! Where the config file and the embedded cluster's home are. Reads the environment, never the file.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The variable that names the config file.
pub const VARIABLE: &str = "HIERSYNC_CONFIG";

/// Where we look when nobody names a file, in this order.
pub const PLACES: [&str; 2] = ["./hiersync.toml", "/etc/hiersync/hiersync.toml"];

/// Home of the embedded cluster of a system-wide service without a state directory.
const SYSTEM_DIR: &str = "/var/lib/hiersync";

/// There is no config file in any of the places.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no config file: neither --config nor ${VARIABLE} names one, and there is no {} and no {}; write one with `hiersync init`",
    PLACES[0],
    PLACES[1]
)]
pub struct NotFound;

/// Which file to read: the flag's, the variable's, or the first of [`PLACES`] that is there. A file that is named is
/// taken at its word: that it cannot be read is for the reader to say.
pub fn find(flag: Option<&Path>) -> Result<PathBuf, NotFound> {
    // A place we may not look into counts as there: its reader's error says more than "not found".
    choose(flag, env::var_os(VARIABLE), |place| !matches!(place.try_exists(), Ok(false)))
}

fn choose(flag: Option<&Path>, variable: Option<OsString>, is_there: impl Fn(&Path) -> bool) -> Result<PathBuf, NotFound> {
    let named = flag.map(Path::to_path_buf).or_else(|| filled(variable).map(PathBuf::from));
    named.or_else(|| PLACES.iter().map(PathBuf::from).find(|place| is_there(place))).ok_or(NotFound)
}

/// Default of `[database].dir`: `$STATE_DIRECTORY`, else `/var/lib/hiersync` as root, else the XDG data folder.
pub fn default_dir() -> PathBuf {
    dir_from(|name| env::var_os(name), nix::unistd::geteuid().is_root())
}

fn dir_from(variable: impl Fn(&str) -> Option<OsString>, is_root: bool) -> PathBuf {
    if let Some(list) = filled(variable("STATE_DIRECTORY")) {
        // systemd lists several directories with colons between.
        return env::split_paths(&list).next().unwrap_or_else(|| SYSTEM_DIR.into());
    }
    if is_root {
        return SYSTEM_DIR.into();
    }
    // The XDG base directory specification wants relative paths ignored.
    let data = filled(variable("XDG_DATA_HOME")).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || filled(variable("HOME")).map(|home| PathBuf::from(home).join(".local/share"));
    data.or_else(home).map_or_else(|| SYSTEM_DIR.into(), |data| data.join("hiersync"))
}

fn filled(variable: Option<OsString>) -> Option<OsString> {
    variable.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(flag: Option<&str>, variable: Option<&str>, there: &[&str]) -> Option<String> {
        let found = choose(flag.map(Path::new), variable.map(OsString::from), |place| there.iter().any(|name| Path::new(name) == place));
        found.ok().map(|path| path.display().to_string())
    }

    #[test]
    fn the_flag_goes_before_the_variable_and_the_variable_before_the_places() {
        assert_eq!(chosen(Some("a.toml"), Some("b.toml"), &PLACES).as_deref(), Some("a.toml"));
        assert_eq!(chosen(None, Some("b.toml"), &PLACES).as_deref(), Some("b.toml"));
        assert_eq!(chosen(None, Some(""), &PLACES).as_deref(), Some(PLACES[0]));
        assert_eq!(chosen(None, None, &PLACES[1..]).as_deref(), Some(PLACES[1]));
        assert_eq!(chosen(None, None, &[]), None);
    }

    #[test]
    fn no_file_anywhere_names_every_place_and_the_way_out() {
        let text = NotFound.to_string();
        for part in ["--config", "$HIERSYNC_CONFIG", "./hiersync.toml", "/etc/hiersync/hiersync.toml", "hiersync init"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }

    #[test]
    fn the_home_of_the_embedded_cluster_follows_the_service_then_the_user() {
        type Variables = &'static [(&'static str, &'static str)];
        let cases: [(Variables, bool, &str); 7] = [
            (&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("HOME", "/home/u")], false, "/var/lib/a"),
            (&[("STATE_DIRECTORY", ""), ("HOME", "/root")], true, "/var/lib/hiersync"),
            (&[("XDG_DATA_HOME", "/data"), ("HOME", "/home/u")], true, "/var/lib/hiersync"),
            (&[("XDG_DATA_HOME", "/data"), ("HOME", "/home/u")], false, "/data/hiersync"),
            (&[("XDG_DATA_HOME", "data"), ("HOME", "/home/u")], false, "/home/u/.local/share/hiersync"),
            (&[("HOME", "/home/u")], false, "/home/u/.local/share/hiersync"),
            (&[], false, "/var/lib/hiersync"),
        ];
        for (variables, is_root, dir) in cases {
            let variable = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
            assert_eq!(dir_from(variable, is_root), Path::new(dir), "{variables:?}");
        }
    }
}
