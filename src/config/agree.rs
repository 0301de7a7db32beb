//! What must hold between sources: names of their own, secrets of their own, and one set of limits per budget.

use std::collections::HashMap;

use super::{
    Source,
    fault::Report,
    read_source::Read,
    secrets::{DATABASE_PASSWORD, needed_by, variable},
    value::{Wrong, quote},
};
use crate::model::limit::Limit;

/// Reports what does not go together.
pub(super) fn check(report: &Report<'_>, sources: &[Read]) {
    check_names(report, sources);
    check_variables(report, sources);
    check_budgets(report, sources);
}

fn check_names(report: &Report<'_>, sources: &[Read]) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for read in sources {
        let Some(name) = &read.name else { continue };
        match first.get(name.as_str()) {
            Some(line) => report.add(
                read.name_line,
                &format!("source.{name}.name"),
                Wrong::new(format!("is the name of another source too (line {line})"), "give each source a name of its own"),
            ),
            None => drop(first.insert(name, read.name_line)),
        }
    }
}

/// `a-b.key` and `a_b.key` are one variable, and so are `a.b_key` and `a_b.key`.
fn check_variables(report: &Report<'_>, sources: &[Read]) {
    let mut first: HashMap<String, String> = HashMap::from([(variable(DATABASE_PASSWORD), DATABASE_PASSWORD.to_owned())]);
    for (read, source) in whole(sources) {
        for secret in needed_by(source) {
            let variable = variable(&secret);
            match first.get(&variable) {
                // Of two sources with one name, the name is the fault.
                Some(other) if *other == secret && other != DATABASE_PASSWORD => (),
                Some(other) => report.add(
                    read.name_line,
                    &format!("source.{}.name", source.name),
                    Wrong::new(
                        format!("gives the secrets {} and {} one variable, {variable}", quote(other), quote(&secret)),
                        "choose another name",
                    ),
                ),
                None => drop(first.insert(variable, secret)),
            }
        }
    }
}

fn check_budgets(report: &Report<'_>, sources: &[Read]) {
    let mut first: HashMap<&str, (&Read, &Source)> = HashMap::new();
    for (read, source) in whole(sources) {
        let (other_read, other) = *first.entry(&source.budget).or_insert((read, source));
        // Of two sources with one name, the name is the fault.
        if source.name != other.name && sorted(&source.limits) != sorted(&other.limits) {
            report.add(
                read.limits_line,
                &format!("source.{}.limits", source.name),
                Wrong::new(
                    format!(
                        "is {}, but source {} of the same budget {} has {} (line {})",
                        list(&source.limits),
                        other.name,
                        quote(&source.budget),
                        list(&other.limits),
                        other_read.limits_line
                    ),
                    "write the same limits in both, or name another budget",
                ),
            );
        }
    }
}

fn whole(sources: &[Read]) -> impl Iterator<Item = (&Read, &Source)> {
    sources.iter().filter_map(|read| Some((read, read.source.as_ref()?)))
}

fn sorted(limits: &[Limit]) -> Vec<Limit> {
    let mut limits = limits.to_vec();
    limits.sort_by_key(|limit| (limit.window, limit.calls));
    limits.dedup();
    limits
}

fn list(limits: &[Limit]) -> String {
    let texts: Vec<String> = limits.iter().map(|limit| format!("\"{limit}\"")).collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{CAPILLARY, LEADSQUARED, good, said};

    #[test]
    fn two_sources_of_one_name_are_a_fault_that_names_both_lines() {
        let second = LEADSQUARED.replace("\"sales\"", "\"customers\"");
        assert_eq!(
            said(&format!("{CAPILLARY}{second}")),
            ["line 8: source.customers.name: is the name of another source too (line 2); give each source a name of its own"]
        );
    }

    #[test]
    fn a_source_whose_secret_would_be_anothers_is_a_fault() {
        let named = |source: &str, from: &str, to: &str| source.replace(&format!("\"{from}\""), &format!("\"{to}\""));
        let database = named(CAPILLARY, "customers", "database").replace("\"oauth\"", "\"basic\"\ntill = \"t\"");
        assert_eq!(
            said(&database),
            ["line 2: source.database.name: gives the secrets `database.password` and `database.password` one variable, \
              HIERSYNC_DATABASE_PASSWORD; choose another name"]
        );
        let pair = format!("{LEADSQUARED}{}", named(CAPILLARY, "customers", "sales-access"));
        assert_eq!(
            said(&pair),
            ["line 8: source.sales-access.name: gives the secrets `sales.access_key` and `sales-access.key` one variable, \
              HIERSYNC_SALES_ACCESS_KEY; choose another name"]
        );
    }

    #[test]
    fn sources_of_one_budget_have_the_same_limits_in_any_order() {
        let second = LEADSQUARED.replace("\"sales\"", "\"sales2\"");
        let both = |a: &str, b: &str| format!("{LEADSQUARED}budget = 'lsq'\n{a}\n{second}budget = 'lsq'\n{b}\n");
        for (a, b) in [
            ("", ""),
            ("limits = ['25/5s']", ""),
            ("limits = ['25/5s', '9/1d']", "limits = ['9/1d', '25/5s']"),
            ("limits = ['60/1m']", "limits = ['60/60s']"),
        ] {
            assert_eq!(good(&both(a, b)).sources.len(), 2);
        }
        assert_eq!(
            said(&both("limits = ['20/5s']", "")),
            ["line 15: source.sales2.limits: is [\"25/5s\"], but source sales of the same budget `lsq` has [\"20/5s\"] (line 8); \
              write the same limits in both, or name another budget"]
        );
        assert_eq!(
            said(&both("", "limits = ['20/5s', '9/1d']")),
            [
                "line 16: source.sales2.limits: is [\"20/5s\", \"9/1day\"], but source sales of the same budget `lsq` has [\"25/5s\"] (line 7); \
              write the same limits in both, or name another budget"
            ]
        );
    }

    #[test]
    fn a_source_may_share_the_budget_that_bears_anothers_name() {
        let second = LEADSQUARED.replace("\"sales\"", "\"sales2\"");
        assert_eq!(good(&format!("{LEADSQUARED}{second}budget = 'sales'\n")).sources[1].budget, "sales");
    }
}
