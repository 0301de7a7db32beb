//! How a Capillary organisation changes, by hand and at random. Each change is one second after the one before.

use chrono::{DateTime, Utc};
use fastrand::Rng;
use serde_json::Value;

use super::world::{CapillaryWorld, Customer};
use crate::simulator::{
    change::{Mutations, Stamp},
    forest::Place,
};

impl CapillaryWorld {
    /// A new customer below this one.
    pub fn insert(&mut self, parent: i64, place: Place) -> i64 {
        let level = self.depth(parent) + 1;
        self.now += 1;
        let id = self.make(level);
        self.forest.link(parent, id, place);
        id
    }

    /// A customer made by the caller below this one. Its id must be new.
    pub fn insert_customer(&mut self, parent: i64, customer: Customer, place: Place) {
        let id = self.add(customer);
        self.forest.link(parent, id, place);
    }

    /// Removes a customer and everybody below. How many are gone.
    pub fn delete(&mut self, id: i64) -> usize {
        let mut gone = self.below(id);
        gone.retain(|&below| below != id);
        gone.push(id);
        self.now += 1;
        for &id in &gone {
            self.forest.forget(id);
            self.take(id);
        }
        gone.len()
    }

    /// Puts a customer, with everybody below, under this parent and no other.
    pub fn move_to(&mut self, id: i64, parent: i64, place: Place, stamp: Stamp) {
        for old in self.forest.parents(id).to_vec() {
            self.forest.unlink(old, id);
        }
        self.forest.link(parent, id, place);
        self.edit(id, stamp, |_| ());
    }

    /// One more parent. With an ancestor as the child this is a cycle, with the same customer twice a self-parent.
    pub fn link(&mut self, parent: i64, child: i64, place: Place) {
        self.forest.link(parent, child, place);
    }

    /// One parent less.
    pub fn unlink(&mut self, parent: i64, child: i64) {
        self.forest.unlink(parent, child);
    }

    /// Any change to one customer, except to its id.
    pub fn edit(&mut self, id: i64, stamp: Stamp, change: impl FnOnce(&mut Customer)) {
        self.now += 1;
        let now = self.now();
        let Some(mut customer) = self.take(id) else { return };
        change(&mut customer);
        if stamp == Stamp::Bump {
            customer.profiles.iter_mut().for_each(|profile| profile.auto_update_time = now);
        }
        self.add(customer);
    }

    /// Another first name, in the profile that tells it then: a new stamp is that of all profiles.
    pub fn rename(&mut self, id: i64, first_name: &str, stamp: Stamp) {
        self.edit(id, stamp, |customer| {
            let latest = customer.profiles.iter().map(|profile| profile.auto_update_time).max();
            let telling = customer.profiles.iter_mut().filter(|profile| stamp == Stamp::Bump || Some(profile.auto_update_time) == latest);
            if let Some(profile) = telling.min_by(|a, b| (&a.source, &a.account_id).cmp(&(&b.source, &b.account_id))) {
                profile.first_name = Some(first_name.to_owned());
            }
        });
    }

    /// One extended field; `Null` removes it.
    pub fn set_extended_field(&mut self, id: i64, name: &str, value: Value, stamp: Stamp) {
        self.edit(id, stamp, |customer| {
            customer.extended_fields.insert(name.to_owned(), value);
            customer.extended_fields.retain(|_, value| !value.is_null());
        });
    }

    /// This stamp in all profiles, whatever the present time: an older one makes the next read a stale one.
    pub fn set_stamp(&mut self, id: i64, time: DateTime<Utc>) {
        self.edit(id, Stamp::Keep, |customer| customer.profiles.iter_mut().for_each(|profile| profile.auto_update_time = time));
    }

    /// Another order of the same children.
    pub fn reorder(&mut self, parent: i64, seed: u64) {
        self.forest.shuffle(parent, &mut Rng::with_seed(seed));
    }

    /// Changes about this share of all customers, at least one: six in ten edits (some silent), then moves, inserts,
    /// deletions of small subtrees, and a few lists in another order. Roots stay.
    pub fn mutate(&mut self, share: f64, seed: u64) -> Mutations {
        let mut rng = Rng::with_seed(seed);
        let everybody: Vec<i64> = self.forest.below(&self.roots);
        let mut done = Mutations::default();
        let changes = ((everybody.len() as f64 * share).round() as usize).max(1);
        for id in rng.choose_multiple(everybody.iter().copied(), changes) {
            if self.customers.contains_key(&id) && !self.roots.contains(&id) {
                self.mutate_one(id, &mut rng, &mut done);
            }
        }
        done
    }

    fn mutate_one(&mut self, id: i64, rng: &mut Rng, done: &mut Mutations) {
        match rng.u8(..100) {
            ..60 => {
                self.edit_somehow(id, rng);
                done.edited += 1;
            }
            60..75 => done.moved += usize::from(self.move_somewhere(id, rng)),
            75..88 => {
                self.insert(id, Place::First);
                done.inserted += 1;
            }
            88..97 if self.below(id).len() < 5 => done.deleted += self.delete(id),
            _ => {
                let parent = self.parents(id).first().copied().unwrap_or(id);
                self.reorder(parent, rng.u64(..));
                done.reordered += 1;
            }
        }
    }

    fn edit_somehow(&mut self, id: i64, rng: &mut Rng) {
        let stamp = if rng.u8(..5) == 0 { Stamp::Keep } else { Stamp::Bump };
        let mark = format!("changed {}", self.now);
        match rng.u8(..3) {
            0 => self.rename(id, &mark, stamp),
            1 => self.set_extended_field(id, "city", mark.into(), stamp),
            _ => self.edit(id, stamp, |customer| customer.role_code = Some(mark)),
        }
    }

    fn move_somewhere(&mut self, id: i64, rng: &mut Rng) -> bool {
        let own = self.below(id);
        let fits = |parent: &i64| *parent != id && !own.contains(parent) && !self.parents(id).contains(parent);
        let parents: Vec<i64> = self.forest.has_children().into_iter().filter(fits).collect();
        let Some(&parent) = rng.choice(parents.iter()) else { return false };
        self.move_to(id, parent, if rng.bool() { Place::First } else { Place::Last }, Stamp::Bump);
        true
    }

    fn depth(&self, id: i64) -> usize {
        std::iter::successors(Some(id), |&id| self.parents(id).first().copied()).take(self.customers.len()).count() - 1
    }
}
