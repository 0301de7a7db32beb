//! Which calls meet a mishap: the next ones, those about one parent, or a random share. Knows no vendor.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use fastrand::Rng;

use super::{lock::open, mishap::Mishap};

/// Rules in the order in which they were given; the first that fits a call strikes. Empty at first.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    struck: AtomicUsize,
}

#[derive(Debug)]
struct Rule {
    whom: Whom,
    skip: usize,
    left: usize,
    chance: Option<(f64, Rng)>,
    what: Vec<Mishap>,
}

#[derive(Debug, PartialEq, Eq)]
enum Whom {
    Anyone,
    Kind(String),
    Subject(String),
}

impl Faults {
    /// The next `calls` calls.
    pub fn next(&self, calls: usize, what: impl Into<Mishap>) {
        self.add(Whom::Anyone, 0, calls, what.into());
    }

    /// `calls` calls after `skip` others.
    pub fn after(&self, skip: usize, calls: usize, what: impl Into<Mishap>) {
        self.add(Whom::Anyone, skip, calls, what.into());
    }

    /// The next `calls` calls to one endpoint, named as in the door's log.
    pub fn on_kind(&self, kind: &str, calls: usize, what: impl Into<Mishap>) {
        self.add(Whom::Kind(kind.to_owned()), 0, calls, what.into());
    }

    /// The next `calls` calls for the list of one parent, by its id.
    pub fn on_parent(&self, parent: impl ToString, calls: usize, what: impl Into<Mishap>) {
        self.add(Whom::Subject(parent.to_string()), 0, calls, what.into());
    }

    /// A random share of all calls from now on, each with one of the mishaps; for good, until [`Faults::clear`].
    pub fn share(&self, share: f64, seed: u64, what: Vec<Mishap>) {
        let chance = Some((share, Rng::with_seed(seed)));
        open(&self.rules).push(Rule { whom: Whom::Anyone, skip: 0, left: usize::MAX, chance, what });
    }

    /// No more faults.
    pub fn clear(&self) {
        open(&self.rules).clear();
    }

    /// Calls that met a mishap so far.
    pub fn struck(&self) -> usize {
        self.struck.load(Ordering::Relaxed)
    }

    /// Calls that are still to meet one, random shares aside.
    pub fn pending(&self) -> usize {
        open(&self.rules).iter().filter(|rule| rule.chance.is_none()).map(|rule| rule.left).fold(0, usize::saturating_add)
    }

    pub(super) fn strike(&self, kind: &str, subject: Option<&str>) -> Option<Mishap> {
        let mut rules = open(&self.rules);
        let mishap = rules.iter_mut().find_map(|rule| rule.strike(kind, subject));
        rules.retain(|rule| rule.left > 0);
        self.struck.fetch_add(usize::from(mishap.is_some()), Ordering::Relaxed);
        mishap
    }

    fn add(&self, whom: Whom, skip: usize, left: usize, what: Mishap) {
        open(&self.rules).push(Rule { whom, skip, left, chance: None, what: vec![what] });
    }
}

impl Rule {
    fn strike(&mut self, kind: &str, subject: Option<&str>) -> Option<Mishap> {
        let fits = match &self.whom {
            Whom::Anyone => true,
            Whom::Kind(name) => name == kind,
            Whom::Subject(id) => Some(id.as_str()) == subject,
        };
        if !fits || self.left == 0 {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.choose()
    }

    fn choose(&mut self) -> Option<Mishap> {
        let Some((share, rng)) = &mut self.chance else {
            self.left -= 1;
            return self.what.first().cloned();
        };
        (rng.f64() < *share).then(|| rng.choice(self.what.iter()).cloned()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_strike_in_order_and_only_whom_they_are_meant_for() {
        let faults = Faults::default();
        faults.on_parent(7, 1, Mishap::Cut);
        faults.after(1, 1, Mishap::Hang);
        faults.next(1, Mishap::HangUp);
        let struck: Vec<_> = ["8", "7", "8", "8"].iter().map(|id| faults.strike("bulk", Some(id))).collect();
        assert_eq!(struck, [Some(Mishap::HangUp), Some(Mishap::Cut), Some(Mishap::Hang), None]);
        assert_eq!((faults.struck(), faults.pending()), (3, 0));
    }

    #[test]
    fn a_share_is_the_same_for_the_same_seed() {
        let run = |seed| {
            let faults = Faults::default();
            faults.share(0.2, seed, vec![Mishap::Cut, Mishap::Hang]);
            (0..1000).map(|_| faults.strike("bulk", None)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        let struck = run(1).into_iter().flatten().count();
        assert!((150..250).contains(&struck), "{struck} of 1000");
    }
}
