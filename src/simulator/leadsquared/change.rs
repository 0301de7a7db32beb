//! How a LeadSquared account changes, by hand and at random. Each change is one second after the one before.

use chrono::{DateTime, Utc};
use fastrand::Rng;
use uuid::Uuid;

use super::world::{LeadSquaredWorld, User};
use crate::simulator::{
    change::{Mutations, Stamp},
    forest::Place,
};

impl LeadSquaredWorld {
    /// A new user who reports to this one.
    pub fn insert(&mut self, manager: Uuid, place: Place) -> Uuid {
        self.now += 1;
        let id = self.make(3);
        self.put_under(manager, id, place);
        id
    }

    /// Removes a user and everybody below, as the vendor itself never does. How many are gone.
    pub fn delete(&mut self, id: Uuid) -> usize {
        let mut gone = self.below(id);
        gone.retain(|&below| below != id);
        gone.push(id);
        self.now += 1;
        for id in &gone {
            self.forest.forget(*id);
            self.users.remove(id);
        }
        self.roster.retain(|id| self.users.contains_key(id));
        gone.len()
    }

    /// Reports to this manager from now on, with everybody below. An own report as the manager makes a cycle.
    pub fn change_manager(&mut self, id: Uuid, manager: Uuid, place: Place, stamp: Stamp) {
        self.put_under(manager, id, place);
        self.edit(id, stamp, |_| ());
    }

    /// Reports to nobody from now on.
    pub fn detach(&mut self, id: Uuid, stamp: Stamp) {
        for old in self.forest.parents(id).to_vec() {
            self.forest.unlink(old, id);
        }
        self.edit(id, stamp, |user| user.manager = None);
    }

    /// Is in this manager's list too, while `ManagerUserId` stays.
    pub fn link(&mut self, manager: Uuid, id: Uuid, place: Place) {
        self.forest.link(manager, id, place);
    }

    /// Active or not.
    pub fn set_active(&mut self, id: Uuid, is_active: bool, stamp: Stamp) {
        self.edit(id, stamp, |user| user.is_active = is_active);
    }

    /// Another name.
    pub fn rename(&mut self, id: Uuid, name: &str, stamp: Stamp) {
        self.edit(id, stamp, |user| user.name = Some(name.to_owned()));
    }

    /// Any change to one user, except to its id and manager.
    pub fn edit(&mut self, id: Uuid, stamp: Stamp, change: impl FnOnce(&mut User)) {
        self.now += 1;
        let now = self.now();
        let Some(user) = self.users.get_mut(&id) else { return };
        change(user);
        if stamp == Stamp::Bump {
            user.modified_on = now;
        }
    }

    /// This `ModifiedOn`, whatever the present time.
    pub fn set_modified_on(&mut self, id: Uuid, time: DateTime<Utc>) {
        self.edit(id, Stamp::Keep, |user| user.modified_on = time);
    }

    /// Another order of the same reports.
    pub fn reorder(&mut self, manager: Uuid, seed: u64) {
        self.forest.shuffle(manager, &mut Rng::with_seed(seed));
    }

    /// Changes about this share of all users below the roots, at least one: half edits (some silent), then changes of
    /// the manager, deactivations, inserts, deletions of small subtrees, and a few lists in another order.
    pub fn mutate(&mut self, share: f64, seed: u64) -> Mutations {
        let mut rng = Rng::with_seed(seed);
        let everybody = self.forest.below(&self.roots);
        let mut done = Mutations::default();
        let changes = ((everybody.len() as f64 * share).round() as usize).max(1);
        for id in rng.choose_multiple(everybody.iter().copied(), changes) {
            if self.users.contains_key(&id) && !self.roots.contains(&id) {
                self.mutate_one(id, &mut rng, &mut done);
            }
        }
        done
    }

    fn mutate_one(&mut self, id: Uuid, rng: &mut Rng, done: &mut Mutations) {
        match rng.u8(..100) {
            ..65 => {
                self.edit_somehow(id, rng);
                done.edited += 1;
            }
            65..82 => done.moved += usize::from(self.move_somewhere(id, rng)),
            82..92 => {
                self.insert(id, Place::Last);
                done.inserted += 1;
            }
            92..97 if self.below(id).len() < 5 => done.deleted += self.delete(id),
            _ => {
                let manager = self.forest.parents(id).first().copied().unwrap_or(id);
                self.reorder(manager, rng.u64(..));
                done.reordered += 1;
            }
        }
    }

    fn edit_somehow(&mut self, id: Uuid, rng: &mut Rng) {
        let stamp = if rng.u8(..5) == 0 { Stamp::Keep } else { Stamp::Bump };
        let mark = format!("Changed {}", self.now);
        match rng.u8(..4) {
            0 => self.edit(id, stamp, |user| user.is_active = !user.is_active),
            1 => self.edit(id, stamp, |user| user.mobile = None),
            2 => self.edit(id, stamp, |user| user.checked_in = !user.checked_in),
            _ => self.rename(id, &mark, stamp),
        }
    }

    fn move_somewhere(&mut self, id: Uuid, rng: &mut Rng) -> bool {
        let own = self.below(id);
        let present = self.forest.parents(id);
        let fits = |manager: &Uuid| *manager != id && !own.contains(manager) && !present.contains(manager);
        let managers: Vec<Uuid> = self.forest.has_children().into_iter().filter(fits).collect();
        let Some(&manager) = rng.choice(managers.iter()) else { return false };
        self.change_manager(id, manager, Place::Last, Stamp::Bump);
        true
    }
}
