//! Where a server's programs are installed, and which of them can read the data.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{account::Account, error::EmbeddedError};

/// The oldest version that new data may be of: what the schema needs.
const OLDEST: u32 = 14;

const PROGRAMS: [&str; 2] = ["postgres", "initdb"];
/// Folders in which packages put one folder per version, how these begin, and what leads on from there: Debian's, the RPMs'
/// of postgresql.org, and Alpine's. script/bootstrap looks in the same places.
const FAMILIES: [(&str, &str, &str); 3] =
    [("/usr/lib/postgresql", "", "bin"), ("/usr", "pgsql-", "bin"), ("/usr/libexec", "postgresql", "")];
/// Fedora's package, and a build from source.
const SINGLES: [&str; 2] = ["/usr/bin", "/usr/local/pgsql/bin"];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Installed {
    bin: PathBuf,
    major: u32,
}

/// The folder with `postgres` and `initdb` that fits the data: `configured`, else the newest installed.
pub fn find(configured: Option<&Path>, pgdata: &Path) -> Result<PathBuf, EmbeddedError> {
    let wanted = fs::read_to_string(pgdata.join("PG_VERSION")).ok().and_then(|text| major(&text));
    // As root we would else run with all rights what somebody else has named.
    let account = Account::of(pgdata.parent().unwrap_or(pgdata))?;
    let installed = match configured {
        Some(folder) => vec![check(folder, &account)?],
        None => folders().iter().filter_map(|folder| check(folder, &account).ok()).collect(),
    };
    match (choose(&installed, wanted), wanted) {
        (Some(installed), _) => Ok(installed.bin.clone()),
        (None, Some(wanted)) if !installed.is_empty() => {
            let found: BTreeSet<u32> = installed.iter().map(|installed| installed.major).collect();
            let found = found.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            Err(EmbeddedError::NoFittingBinaries { pgdata: pgdata.to_owned(), wanted, found })
        }
        (None, _) => Err(EmbeddedError::NoBinaries),
    }
}

fn choose(installed: &[Installed], wanted: Option<u32>) -> Option<&Installed> {
    let fits = |one: &&Installed| wanted.map_or(one.major >= OLDEST, |wanted| one.major == wanted);
    installed.iter().filter(fits).max_by_key(|one| one.major)
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = FAMILIES.iter().flat_map(|(parent, prefix, rest)| family(Path::new(parent), prefix, rest)).collect();
    folders.extend(SINGLES.map(PathBuf::from));
    folders.extend(answer(Command::new("pg_config").arg("--bindir")).map(PathBuf::from));
    folders
}

fn family(parent: &Path, prefix: &str, rest: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let members = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)));
    members.map(|entry| entry.path().join(rest)).collect()
}

/// A folder's version, as its server tells it.
fn check(folder: &Path, account: &Account) -> Result<Installed, EmbeddedError> {
    for program in PROGRAMS {
        if !folder.join(program).is_file() {
            return Err(EmbeddedError::NotBinaries { folder: folder.to_owned(), program });
        }
    }
    let mut command = Command::new(folder.join("postgres"));
    // Our environment may hold secrets.
    command.arg("--version").env_clear().current_dir("/").stdin(Stdio::null());
    account.run(&mut command);
    let version = answer(&mut command);
    let major = version.as_deref().and_then(|version| version.split(' ').find_map(major));
    let major = major.ok_or_else(|| EmbeddedError::NotBinaries { folder: folder.to_owned(), program: "postgres" })?;
    Ok(Installed { bin: folder.to_owned(), major })
}

fn answer(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// `15` of `15`, `15.18` and `16beta1`.
fn major(text: &str) -> Option<u32> {
    let text = text.trim();
    text[..text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(major: u32) -> Installed {
        Installed { bin: PathBuf::from(format!("/{major}")), major }
    }

    #[test]
    fn the_newest_is_chosen_unless_the_data_wants_another() {
        let all = [installed(9), installed(16), installed(15)];
        assert_eq!(choose(&all, None), Some(&all[1]));
        assert_eq!(choose(&all, Some(15)), Some(&all[2]));
        assert_eq!(choose(&all, Some(14)), None);
        // What is too old serves only data of its own.
        let old = [Installed { bin: "/old".into(), major: 13 }];
        assert_eq!((choose(&old, None), choose(&old, Some(13))), (None, Some(&old[0])));
        assert_eq!(choose(&[], None), None);
    }

    #[test]
    fn a_version_is_told_by_its_first_number() {
        assert_eq!(major("15\n"), Some(15));
        assert_eq!(major("15.18"), Some(15));
        assert_eq!(major("16beta1"), Some(16));
        assert_eq!("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".split(' ').find_map(major), Some(15));
        assert_eq!(major("(PostgreSQL)"), None);
    }

    #[test]
    fn each_version_of_a_family_has_its_folder() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["postgresql16", "postgresql17", "other"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let found = |rest| BTreeSet::from_iter(family(parent.path(), "postgresql", rest));
        assert_eq!(found("bin"), ["postgresql16/bin", "postgresql17/bin"].map(|path| parent.path().join(path)).into());
        assert_eq!(found(""), ["postgresql16", "postgresql17"].map(|path| parent.path().join(path)).into());
    }

    #[test]
    fn a_folder_without_a_server_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = find(Some(dir.path()), dir.path()).unwrap_err();
        assert!(matches!(error, EmbeddedError::NotBinaries { program: "postgres", .. }));
    }

    #[test]
    fn data_of_another_version_is_refused_by_name() {
        let bin = tempfile::tempdir().unwrap();
        let script = "#!/bin/sh\necho 'postgres (PostgreSQL) 15.18'\n";
        for program in PROGRAMS {
            fs::write(bin.path().join(program), script).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(bin.path().join(program), mode).unwrap();
        }
        let data = tempfile::tempdir().unwrap();
        assert_eq!(find(Some(bin.path()), data.path()).unwrap(), bin.path());
        fs::write(data.path().join("PG_VERSION"), "14\n").unwrap();
        let error = find(Some(bin.path()), data.path()).unwrap_err();
        assert!(error.to_string().contains("apt-get install postgresql-14"), "{error}");
    }
}
