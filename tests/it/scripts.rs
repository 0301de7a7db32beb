//! `script/demo` and `script/test` on a machine that lacks things. Its programs are a few that every system has, and stand-ins for
//! those that install others.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::harness::program::{Ended, run};

const ON_EVERY_SYSTEM: [&str; 9] = ["bash", "cat", "chmod", "dirname", "mkdir", "sed", "sh", "sort", "uname"];

/// Notes what it is told, and installs programs that do nothing. `curl` is rustup's.
const MANAGER: &str = r#"#!/bin/sh
if [ "$1" = --prefix ]; then echo "$HOME"; exit; fi
echo "$@" >>"$HOME/told"
for name in cc kill pgbouncer psql; do printf '#!/bin/sh\n' >"$HOME/bin/$name"; chmod +x "$HOME/bin/$name"; done
{ echo '#!/bin/sh'; echo 'cat "$HOME/rustup"'; } >"$HOME/bin/curl"; chmod +x "$HOME/bin/curl"
"#;

/// What stands at the address of rustup.
const RUSTUP: &str = r#"
echo "rustup $*" >>"$HOME/told"
mkdir -p "$HOME/.cargo/bin"
{ echo '#!/bin/sh'; echo 'echo "rustc 99.0.0"'; } >"$HOME/.cargo/bin/rustc"
{ echo '#!/bin/sh'; echo 'echo "cargo $*"'; } >"$HOME/.cargo/bin/cargo"
chmod +x "$HOME/.cargo/bin/rustc" "$HOME/.cargo/bin/cargo"
"#;

/// A machine with one package manager.
struct Machine {
    home: TempDir,
}

impl Machine {
    fn with(manager: &str) -> Self {
        let machine = Self { home: TempDir::new().unwrap() };
        fs::create_dir(machine.home.path().join("bin")).unwrap();
        for name in ON_EVERY_SYSTEM {
            symlink(system(name), machine.program(name)).unwrap();
        }
        machine.put(manager, MANAGER);
        machine.put("sudo", "#!/bin/sh\nexec \"$@\"\n");
        fs::write(machine.home.path().join("rustup"), RUSTUP).unwrap();
        machine
    }

    fn program(&self, name: &str) -> PathBuf {
        self.home.path().join("bin").join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.program(name), text).unwrap();
        fs::set_permissions(self.program(name), PermissionsExt::from_mode(0o755)).unwrap();
    }

    async fn run(&self, script: &str, args: &[&str]) -> Ended {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(script));
        command.args(args).env_clear().env("HOME", self.home.path()).env("PATH", self.home.path().join("bin"));
        // Whether this machine has authorities is not ours to say.
        command.env("SSL_CERT_FILE", self.home.path().join("rustup")).stdin(Stdio::null());
        run(command).await
    }

    /// What the manager and rustup were told, a line each time.
    fn told(&self) -> String {
        fs::read_to_string(self.home.path().join("told")).unwrap_or_default()
    }
}

fn system(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()).unwrap()
}

#[tokio::test]
async fn told_not_to_install_they_say_what_is_missing_and_how_to_install_it() {
    let managers = [
        ("apt-get", "apt-get install gcc libc6-dev"),
        ("dnf", "dnf install gcc glibc-devel"),
        ("apk", "apk add gcc musl-dev"),
        ("brew", "brew install gcc"),
        ("none", "install by the means of this system: a C compiler"),
    ];
    for (manager, how) in managers {
        let machine = Machine::with(manager);
        let ended = machine.run("script/test", &["--test", "it", "--no-install"]).await;
        assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{manager}: {ended:?}");
        for words in
            ["missing: a C compiler\n", "missing: the program kill\n", "missing: curl\n", "missing: Rust 1.", how, "https://sh.rustup.rs"]
        {
            assert!(ended.err.contains(words), "{manager}: {words:?} is not in: {}", ended.err);
        }
        assert_eq!(machine.told(), "", "{manager}");
    }
}

#[tokio::test]
async fn what_is_missing_is_installed_once_and_the_rest_of_the_line_is_passed_on() {
    let machine = Machine::with("dnf");
    let first = machine.run("script/test", &["--test", "it", "--", "--no-install"]).await;
    assert_eq!((first.code, first.out.as_str()), (0, "cargo test --test it -- --no-install\n"), "{first:?}");
    let told = machine.told();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].starts_with("install -y --setopt=install_weak_deps=False gcc glibc-devel "), "{told}");
    assert!(lines[0].ends_with(" curl"), "{told}");
    assert_eq!(lines[1], "rustup -y --profile minimal");

    let second = machine.run("script/demo", &["--keep"]).await;
    assert_eq!((second.code, second.out.as_str()), (0, "cargo run --release -- demo --keep\n"), "{second:?}");
    assert_eq!((second.err.as_str(), machine.told()), ("", told));
}

#[tokio::test]
async fn where_no_package_manager_is_known_nothing_is_begun() {
    let machine = Machine::with("none");
    machine.put("curl", MANAGER);
    let ended = machine.run("script/demo", &[]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("install by the means of this system: a C compiler\n"), "{ended:?}");
    assert_eq!(machine.told(), "");
}

#[tokio::test]
async fn rust_that_is_too_old_is_renewed_by_the_rustup_that_is_there() {
    let machine = Machine::with("apk");
    machine.put("rustc", "#!/bin/sh\n[ \"$RUSTUP_TOOLCHAIN\" ] && echo 'rustc 99.0.0' || echo 'rustc 1.63.0'\n");
    machine.put("cargo", "#!/bin/sh\necho \"cargo $*\"\n");
    machine.put("rustup", "#!/bin/sh\necho \"rustup $*\" >>\"$HOME/told\"\n");
    let ended = machine.run("script/demo", &[]).await;
    assert_eq!((ended.code, ended.out.as_str()), (0, "cargo run --release -- demo\n"), "{ended:?}");
    let told = machine.told();
    assert_eq!(told.lines().last(), Some("rustup toolchain install stable --profile minimal"), "{told}");
}

#[tokio::test]
async fn what_stays_missing_and_a_wrong_command_line_are_told() {
    let machine = Machine::with("dnf");
    machine.put("dnf", "#!/bin/sh\n");
    machine.put("curl", "#!/bin/sh\n");
    let ended = machine.run("script/bootstrap", &[]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.ends_with("it is still missing after the installation\n"), "{ended:?}");
    for (script, argument) in [("script/bootstrap", "--keep"), ("script/demo", "--no-install=yes")] {
        let ended = machine.run(script, &[argument]).await;
        assert_eq!(ended.code, 64, "{ended:?}");
        assert!(ended.err.contains(&format!("usage: {script} [--no-install]")), "{ended:?}");
    }
}
