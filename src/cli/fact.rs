//! What an examination has found: a fact, a verdict and a remedy a line, what blocks first.

use super::{
    exit::Exit,
    out::{note, say},
};

/// How much a fact weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing goes on before it is mended; the examination ends so.
    Act(Exit),
    /// Somebody should look at it; work goes on.
    Look,
    /// As it should be.
    Well,
}

/// One thing that was found.
#[derive(Debug, Clone)]
pub struct Fact {
    /// How much it weighs.
    pub verdict: Verdict,
    /// What it is about: `secrets`, `database`, a source's name.
    about: String,
    /// What is so.
    what: String,
    /// What to do.
    remedy: String,
}

impl Fact {
    /// It is as it should be.
    pub fn well(about: &str, what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Well, about: about.to_owned(), what: what.into(), remedy: String::new() }
    }

    /// Somebody should look at it.
    pub fn look(about: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Look, about: about.to_owned(), what: what.into(), remedy: remedy.into() }
    }

    /// It blocks; `remedy` may be empty where `what` says it.
    pub fn act(exit: Exit, about: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Act(exit), about: about.to_owned(), what: what.into(), remedy: remedy.into() }
    }

    fn weight(&self) -> usize {
        match self.verdict {
            Verdict::Act(exit) => exit.badness(),
            Verdict::Look => usize::MAX - 1,
            Verdict::Well => usize::MAX,
        }
    }

    fn line(&self) -> String {
        let word = match self.verdict {
            Verdict::Act(_) => "act ",
            Verdict::Look => "look",
            Verdict::Well => "well",
        };
        let remedy = if self.remedy.is_empty() { String::new() } else { format!("; {}", self.remedy) };
        format!("{word}  {}: {}{remedy}", self.about, self.what)
    }
}

/// Tells them, what blocks first and on stderr, and how the program ends.
pub fn tell(mut facts: Vec<Fact>) -> Exit {
    facts.sort_by_key(Fact::weight);
    for fact in &facts {
        match fact.verdict {
            Verdict::Act(_) => note!("{}", fact.line()),
            Verdict::Look | Verdict::Well => say!("{}", fact.line()),
        }
    }
    Exit::worst(facts.iter().filter_map(|fact| match fact.verdict {
        Verdict::Act(exit) => Some(exit),
        Verdict::Look | Verdict::Well => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_weighs_most() {
        let mut facts = vec![
            Fact::well("config", "2 sources"),
            Fact::look("customers", "paused", "resume it"),
            Fact::act(Exit::Later, "customers", "is throttled", ""),
            Fact::act(Exit::Config, "secrets", "no secret", "give it"),
        ];
        facts.sort_by_key(Fact::weight);
        let lines: Vec<String> = facts.iter().map(Fact::line).collect();
        assert_eq!(
            lines,
            [
                "act   secrets: no secret; give it",
                "act   customers: is throttled",
                "look  customers: paused; resume it",
                "well  config: 2 sources"
            ]
        );
        assert_eq!(tell(facts), Exit::Config);
    }
}
