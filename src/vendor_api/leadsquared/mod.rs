//! LeadSquared's users. What is odd about this vendor:
//! the path of its hierarchy call is not public, so it is a setting; a list comes in one piece, and nobody says how deep it reaches;
//! booleans are texts; throttling has three forms; a logical error is a 500 and a wrong host a 401.

mod api;
mod convert;
#[cfg(test)]
mod properties;
mod refusal;
mod tree;
mod wire;

use std::time::Duration;

use secrecy::SecretString;

use self::{api::Api, tree::Tree};
use crate::{
    config::{
        self, Identifier,
        secrets::{SecretError, Secrets},
    },
    model::{node::NodeId, user::User},
    vendor_api::{Ask, List, Vendor, error::VendorError, sheet::Sheet},
};

/// One LeadSquared account.
pub struct LeadSquared {
    api: Api,
    tree: Tree,
}

/// A user's key pair: results follow that user's role and access.
#[derive(Clone)]
pub struct Keys {
    /// `<source>.access_key`.
    pub access_key: SecretString,
    /// `<source>.secret_key`.
    pub secret_key: SecretString,
}

/// Looks up a source's key pair.
///
/// # Errors
/// When one is missing or unreadable.
pub fn credentials(source: &config::Source, secrets: &Secrets) -> Result<Keys, SecretError> {
    let secret = |name: &str| secrets.get(&format!("{}.{name}", source.name));
    Ok(Keys { access_key: secret("access_key")?, secret_key: secret("secret_key")? })
}

impl LeadSquared {
    /// An account by its settings and secrets. No call is made.
    pub fn new(source: &config::Source, settings: &config::LeadSquared, keys: Keys) -> Result<Self, VendorError> {
        Ok(Self { api: Api::new(source, settings, keys)?, tree: Tree::new(settings) })
    }
}

impl Vendor for LeadSquared {
    type Row = User;

    fn must_sign_in(&self) -> bool {
        false
    }

    async fn sign_in(&self, _within: Duration) -> Result<(), VendorError> {
        Ok(())
    }

    fn forget_token(&self) -> bool {
        false
    }

    async fn lookup(&self, _root: &Identifier, _within: Duration) -> Result<Option<NodeId>, VendorError> {
        Err(VendorError::Rejected("LeadSquared's roots are given by their UserId: there is nothing to look up".into()))
    }

    async fn own_row(&self, node: NodeId, within: Duration) -> Result<Option<User>, VendorError> {
        match node {
            NodeId::User(id) => self.api.user(id, within).await,
            _ => Ok(None),
        }
    }

    fn ask_only_needed(&self) -> Option<Vec<String>> {
        self.api.ask_only_needed()
    }

    fn may_ask_plainly(&self) -> bool {
        self.api.may_ask_plainly()
    }

    fn ask_plainly(&self) {
        self.api.ask_plainly();
    }

    fn untold_columns(&self) -> Option<&'static str> {
        self.api.untold_columns()
    }

    async fn page(&self, ask: &Ask, within: Duration) -> Result<Sheet<User>, VendorError> {
        let page = match &ask.list {
            List::ReportsOf(user) => self.api.reports(*user, ask.is_plain, within).await,
            List::Directory => self.api.directory(ask, within).await,
            List::ChildrenOf(_) => Err(VendorError::Rejected("LeadSquared has no lists of children".into())),
        };
        page.map(Sheet::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        config::{Edges, KeysIn, Reach},
        vendor_api::{
            Page,
            test_door::{Door, ok, source},
        },
    };

    const SECOND: Duration = Duration::from_secs(1);
    const RAVI: &str = "5f0c1a10-0000-4000-8000-000000000001";

    fn open(base: &url::Url, keys_in: KeysIn, columns: &[&str]) -> LeadSquared {
        let settings = config::LeadSquared {
            roots: Vec::new(),
            hierarchy_path: "/v2/UserManagement.svc/Hierarchy".into(),
            include: "All".into(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            reach: Reach::Auto,
            edges: Edges::Hierarchy,
            keys_in,
        };
        let source = source(base, config::Vendor::LeadSquared(settings.clone()));
        let keys = Keys { access_key: "u$r1".into(), secret_key: "s+c".into() };
        LeadSquared::new(&source, &settings, keys).expect("an account")
    }

    fn ask(list: List) -> Ask {
        Ask { list, offset: 2000, limit: 1000, is_plain: false }
    }

    fn reports() -> Ask {
        ask(List::ReportsOf(RAVI.parse().expect("a GUID")))
    }

    async fn page(body: &str) -> Result<Page<User>, VendorError> {
        open(&Door::open(ok(body)).base, KeysIn::Header, &[]).page(&reports(), SECOND).await.map(Sheet::all)
    }

    #[tokio::test]
    async fn the_hierarchy_is_asked_for_as_documented() {
        let door = Door::open(ok(include_str!("example.json")));
        let page = open(&door.base, KeysIn::Header, &[]).page(&reports(), SECOND).await.expect("a page").all();
        assert_eq!((page.rows.len(), page.received(), page.stated_count, page.whole), (3, 3, Some(3), true));
        let seen = door.request();
        assert_eq!(seen.line, "POST /v2/UserManagement.svc/Hierarchy HTTP/1.1");
        assert_eq!((seen.header("x-lsq-accesskey"), seen.header("x-lsq-secretkey")), (Some("u$r1"), Some("s+c")));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(serde_json::from_str::<Value>(&seen.body).expect("json"), json!({"UserId": RAVI, "Include": "All"}));
    }

    #[tokio::test]
    async fn columns_and_query_keys_are_sent_when_set() {
        let door = Door::open(ok(include_str!("example.json")));
        open(&door.base, KeysIn::Query, &["ManagerUserId", "Designation"]).page(&reports(), SECOND).await.expect("a page").all();
        let seen = door.request();
        assert_eq!(seen.line, "POST /v2/UserManagement.svc/Hierarchy?accessKey=u%24r1&secretKey=s%2Bc HTTP/1.1");
        assert_eq!(seen.header("x-lsq-accesskey"), None);
        let body = json!({"UserId": RAVI, "Include": "All", "Columns": {"Include_CSV": "UserId,Name,Mobile,Email,CheckedIn,IsActive,ManagerUserId,Designation"}});
        assert_eq!(serde_json::from_str::<Value>(&seen.body).expect("json"), body);
    }

    #[tokio::test]
    async fn the_directory_is_asked_for_as_it_was_seen_to_work() {
        for path in ["", "/v2", "/v2/"] {
            let door = Door::open(ok(r#"{"Users": [], "RecordCount": "3400"}"#));
            let base = door.base.join(path).expect("a URL");
            let page = open(&base, KeysIn::Header, &["userid", "Role"]).page(&ask(List::Directory), SECOND).await.expect("a page").all();
            assert_eq!((page.received(), page.stated_count, page.whole), (0, Some(3400), false));
            let seen = door.request();
            assert_eq!(seen.line, "POST /v2/UserManagement.svc/User/AdvancedSearch HTTP/1.1");
            let condition = json!({"LookupName": "EmailAddress", "Operator": "lik", "LookupValue": "@", "ConditionOperator": null});
            let body = json!({
                "Columns": {"Include_CSV": "UserId,FirstName,LastName,EmailAddress,StatusCode,ManagerUserId,Role,PhoneMain,TeamId,Groups"},
                "GroupConditions": [{"Condition": [condition], "GroupOperator": null}],
                "GroupOperator": null,
                "Sorting": [{"ColumnName": "UserId", "Direction": 0}],
                "Paging": {"PageIndex": 3, "PageSize": 1000},
            });
            assert_eq!(serde_json::from_str::<Value>(&seen.body).expect("json"), body);
        }
    }

    #[tokio::test]
    async fn an_error_never_looks_like_an_empty_list() {
        for (body, count) in [
            (r#"{"SearchInfo": {"TotalUsers": 0}, "Users": []}"#, Some(0)),
            (r#"{"SearchInfo": {"TotalUsers": "0"}, "Users": null}"#, Some(0)),
            (r#"{"SearchInfo": null, "Users": []}"#, None),
            ("[]", None),
        ] {
            let page = page(body).await.expect(body);
            assert_eq!((page.rows.len(), page.received(), page.stated_count), (0, 0, count), "{body}");
        }
        for body in
            ["{}", "null", "7", r#"{"SearchInfo": {"TotalUsers": 0}}"#, r#"{"Users": null}"#, r#"{"Users": {}}"#, r#"{"Users": "none"}"#]
        {
            let error = page(body).await.expect_err(body);
            assert!(matches!(error, VendorError::WrongShape(_)), "{body}: {error}");
        }
        let error = page("<html>Down for maintenance</html>").await.expect_err("a page");
        assert!(matches!(error, VendorError::Unreadable(_)), "{error}");
    }

    #[tokio::test]
    async fn a_bare_array_is_a_list_too() {
        let page = page(&format!(r#"[{{"UserId": "{RAVI}", "Name": "Ravi"}}, 5]"#)).await.expect("a page");
        assert_eq!((page.rows.len(), page.received(), page.remarks.len(), page.stated_count), (1, 2, 1, None));
    }

    #[tokio::test]
    async fn what_this_vendor_does_not_have_costs_no_call() {
        let vendor = open(&Door::closed().base, KeysIn::Header, &[]);
        let root = Identifier { kind: "mobile".into(), value: "1".into() };
        assert!(!vendor.must_sign_in() && !vendor.forget_token());
        assert!(matches!(vendor.lookup(&root, SECOND).await, Err(VendorError::Rejected(_))));
        assert!(matches!(vendor.page(&ask(List::ChildrenOf(root)), SECOND).await, Err(VendorError::Rejected(_))));
    }
}
