//! A LeadSquared user as we keep it.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    node::{Node, NodeId},
    reach::Stated,
};

/// What stands in `extra` and is no content: a change stamp that could not be read, and the manager's name, which is said of somebody else.
const NO_CONTENT: [&str; 2] = ["ModifiedOn", "ManagerName"];

/// One user.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct User {
    /// `UserId`.
    pub id: Uuid,
    /// `Name`, or first and last name.
    pub name: Option<String>,
    /// `Email`.
    pub email: Option<String>,
    /// `Mobile`.
    pub mobile: Option<String>,
    /// `IsActive`: the vendor sends `"true"` and `"false"` as strings.
    pub is_active: Option<bool>,
    /// `CheckedIn`, likewise.
    pub checked_in: Option<bool>,
    /// `ModifiedOn`, when asked for and given.
    pub auto_update_time: Option<DateTime<Utc>>,
    /// Who the vendor says the manager is.
    pub manager: Manager,
    /// Asked-for columns and anything else.
    pub extra: Map<String, Value>,
}

/// What a row says of its user's manager (`ManagerUserId`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manager {
    /// The row has no such field.
    #[default]
    Unstated,
    /// The field is there and empty: the user reports to nobody.
    Nobody,
    /// The field names a user.
    Is(Uuid),
}

impl Node for User {
    fn key(&self) -> NodeId {
        NodeId::from(self.id)
    }

    fn content(&self) -> Map<String, Value> {
        let mut content = Map::new();
        content.insert("name".into(), json!(self.name));
        content.insert("email".into(), json!(self.email));
        content.insert("mobile".into(), json!(self.mobile));
        content.insert("is_active".into(), json!(self.is_active));
        content.insert("checked_in".into(), json!(self.checked_in));
        let mut extra = self.extra.clone();
        extra.retain(|name, _| !NO_CONTENT.contains(&name.as_str()));
        content.insert("extra".into(), Value::Object(extra));
        content
    }

    fn nameless(&self) -> Self {
        Self { id: self.id, manager: self.manager, ..Self::default() }
    }

    fn stamp(&self) -> Option<DateTime<Utc>> {
        self.auto_update_time
    }

    fn stated_parent(&self) -> Stated {
        match self.manager {
            Manager::Unstated => Stated::Nothing,
            Manager::Nobody => Stated::Nobody,
            Manager::Is(id) => Stated::Parent(NodeId::from(id)),
        }
    }
}
