//! What a mirror of a LeadSquared account must hold, by the names of the published columns.

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::world::LeadSquaredWorld;
use crate::simulator::truth::{Truth, storable};

impl LeadSquaredWorld {
    /// Everybody below these roots, inactive users too. `auto_update_time` is `ModifiedOn`, whether it is asked for or not.
    pub fn truth(&self, roots: &[Uuid]) -> Truth {
        let nodes = self.forest.below(roots).into_iter().filter_map(|id| Some((id.to_string(), self.row(id)?)));
        let links = self.forest.links_below(roots).into_iter();
        Truth {
            roots: roots.iter().map(Uuid::to_string).collect(),
            nodes: nodes.collect(),
            links: links.map(|(manager, id)| (manager.to_string(), id.to_string())).collect(),
        }
    }

    fn row(&self, id: Uuid) -> Option<Map<String, Value>> {
        let user = self.users.get(&id)?;
        let columns = [
            ("name", json!(user.name)),
            ("email", json!(user.email)),
            ("mobile", json!(user.mobile)),
            ("is_active", json!(user.is_active)),
            ("checked_in", json!(user.checked_in)),
            ("auto_update_time", json!(user.modified_on.to_rfc3339_opts(SecondsFormat::Secs, true))),
        ];
        Some(columns.into_iter().map(|(column, value)| (column.to_owned(), storable(value))).collect())
    }
}
