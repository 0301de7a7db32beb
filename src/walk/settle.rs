//! What becomes of a list whose end is certain, but not its count, or that the vendor refuses. Its count stands in its parent's row:
//! the list above is read once more as an ordinary list, and either brings a fresh count or shows that the parent has left.

/// Fresh counts for one list in a walk, at most.
const RECOUNTS: u32 = 4;

/// A list in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// The vendor refuses it. Else its count is another than its length.
    pub is_refused: bool,
    /// How often the list above was read again for it.
    pub recounts: u32,
    /// The list above was read again since the doubt arose.
    pub is_recounted: bool,
    /// How many rows the vendor says that it has, by now.
    pub expected: Option<i64>,
    /// How many rows its last pass has found.
    pub length: u32,
    /// How many different rows all its passes have shown.
    pub together: u32,
    /// Rows have moved in its last pass.
    pub has_moved: bool,
    /// It may not be read again.
    pub is_last_pass: bool,
}

/// The list that has shown the doubtful list's parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Above {
    /// There is none: it is a root's own list.
    Nobody,
    /// It is in doubt itself, or still to be read.
    Open,
    /// Proven, and the parent is in it.
    Shows,
    /// Proven, and the parent is no more in it.
    ShowsNot,
    /// It proves nothing.
    Unproven,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// First the list above must be settled. Who asks takes care that nobody waits for ever: in a cycle each waits for the other.
    Wait,
    /// Read the list above once more.
    ReadAbove,
    /// Read it once more itself.
    ReadAgain,
    /// It is read: in it is who its last pass has shown.
    Read,
    /// It is read: in it is whom any of its passes has shown.
    ReadTogether,
    /// Its parent has left, or has nobody any more: nobody is in it.
    Gone,
    /// It proves nothing.
    Unproven,
}

/// Decides.
pub fn settle(doubt: Doubt, above: Above) -> Verdict {
    let agrees = !doubt.is_refused && doubt.expected.is_none_or(|count| count == i64::from(doubt.length));
    if agrees && !doubt.has_moved {
        return Verdict::Read;
    }
    // A pass that has moved shows how long the list is, and not all of it.
    let is_all = i64::from(doubt.together) >= doubt.expected.unwrap_or(0).max(doubt.length.into());
    if agrees {
        return match (is_all, doubt.is_last_pass) {
            (true, _) => Verdict::ReadTogether,
            (false, false) => Verdict::ReadAgain,
            (false, true) => Verdict::Unproven,
        };
    }
    let may_ask = doubt.recounts < RECOUNTS;
    match above {
        Above::Open => return Verdict::Wait,
        Above::Shows if !doubt.is_recounted && may_ask => return Verdict::ReadAbove,
        // It has shown the parent in this walk, and has been read again since.
        Above::ShowsNot => return Verdict::Gone,
        _ => {}
    }
    if doubt.is_refused {
        return match doubt.expected {
            // The vendor refuses a list that has nobody in it.
            Some(0) => Verdict::Gone,
            _ if may_ask && above == Above::Shows => Verdict::ReadAgain,
            _ => Verdict::Unproven,
        };
    }
    if !doubt.is_last_pass {
        return Verdict::ReadAgain;
    }
    if is_all { Verdict::ReadTogether } else { Verdict::Unproven }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proven by its pass, with another count than the vendor's.
    const COUNTED: Doubt = Doubt {
        is_refused: false,
        recounts: 0,
        is_recounted: false,
        expected: Some(4),
        length: 3,
        together: 3,
        has_moved: false,
        is_last_pass: false,
    };
    const REFUSED: Doubt = Doubt { is_refused: true, expected: Some(3), length: 0, together: 0, ..COUNTED };

    #[test]
    fn a_fresh_count_comes_from_the_list_above_once_that_is_settled() {
        for doubt in [COUNTED, REFUSED] {
            assert_eq!(settle(doubt, Above::Open), Verdict::Wait);
            assert_eq!(settle(doubt, Above::Shows), Verdict::ReadAbove);
        }
    }

    #[test]
    fn a_list_whose_length_is_the_fresh_count_is_read() {
        let fresh = Doubt { is_recounted: true, recounts: 1, expected: Some(3), ..COUNTED };
        assert_eq!(settle(fresh, Above::Shows), Verdict::Read);
        assert_eq!(settle(Doubt { has_moved: true, ..fresh }, Above::Shows), Verdict::ReadTogether);
    }

    #[test]
    fn a_list_that_moved_is_not_read_by_its_length_alone() {
        let missed = Doubt { is_recounted: true, recounts: 1, expected: Some(3), together: 2, has_moved: true, ..COUNTED };
        assert_eq!(settle(missed, Above::Shows), Verdict::ReadAgain);
        assert_eq!(settle(Doubt { is_last_pass: true, ..missed }, Above::Shows), Verdict::Unproven);
    }

    #[test]
    fn a_list_that_still_disagrees_is_read_again_until_its_last_pass() {
        let again = Doubt { is_recounted: true, recounts: 1, ..COUNTED };
        assert_eq!(settle(again, Above::Shows), Verdict::ReadAgain);
        let last = Doubt { is_last_pass: true, ..again };
        assert_eq!(settle(last, Above::Shows), Verdict::Unproven);
        assert_eq!(settle(Doubt { together: 4, ..last }, Above::Shows), Verdict::ReadTogether);
    }

    #[test]
    fn a_parent_that_has_left_takes_its_list_along() {
        for doubt in [COUNTED, REFUSED] {
            assert_eq!(settle(doubt, Above::ShowsNot), Verdict::Gone);
        }
    }

    #[test]
    fn a_refused_list_is_asked_for_again_while_its_parent_stands_and_then_given_up() {
        let asked = Doubt { is_recounted: true, recounts: 1, ..REFUSED };
        assert_eq!(settle(asked, Above::Shows), Verdict::ReadAgain);
        assert_eq!(settle(Doubt { expected: Some(0), ..asked }, Above::Shows), Verdict::Gone);
        assert_eq!(settle(Doubt { recounts: RECOUNTS, ..asked }, Above::Shows), Verdict::Unproven);
        assert_eq!(settle(asked, Above::Unproven), Verdict::Unproven);
        assert_eq!(settle(REFUSED, Above::Nobody), Verdict::Unproven);
    }

    #[test]
    fn no_doubt_lasts_for_ever() {
        for above in [Above::Nobody, Above::Shows, Above::ShowsNot, Above::Unproven] {
            for doubt in [COUNTED, REFUSED] {
                for is_recounted in [false, true] {
                    let spent = Doubt { recounts: RECOUNTS, is_recounted, is_last_pass: true, ..doubt };
                    assert!(
                        matches!(settle(spent, above), Verdict::Unproven | Verdict::Gone | Verdict::ReadTogether),
                        "{spent:?} {above:?}"
                    );
                }
            }
        }
    }
}
