//! The bodies that the vendors' pages and our fact sheet show, to the letter. Served by `fixed_body`, and read by tests.

/// Capillary, Get customer hierarchy in a user group: the complete example (fact sheet 1.9).
pub const CAPILLARY_HIERARCHY: &str = r#"{
  "entity": {
    "customers": [
      {
        "profiles": [
          {
            "firstName": "Ines",
            "lastName": "Okafor",
            "fields": {},
            "identifiers": [
              {"type": "mobile", "value": "910000000021"},
              {"type": "externalId", "value": "EMP-0021"}
            ],
            "commChannels": [
              {
                "type": "mobile",
                "value": "910000000021",
                "primary": true,
                "verified": false,
                "meta": {"residence": false, "office": false},
                "attributes": {}
              }
            ],
            "source": "INSTORE",
            "userId": 700000021,
            "accountId": "",
            "conflictingProfileList": [],
            "autoUpdateTime": "2025-03-02T08:15:40Z",
            "identifiersAll": [
              {"type": "mobile", "value": "910000000021"},
              {"type": "externalId", "value": "EMP-0021"}
            ]
          }
        ],
        "extendedFields": {"city": "Pune", "gender": "Female"},
        "roleCode": "Manager",
        "createdDate": "2024-11-18T10:02:11Z",
        "noOfChildren": 2,
        "defaultChild": false
      },
      {
        "profiles": [
          {
            "firstName": "Tomas",
            "lastName": "Lindqvist",
            "fields": {},
            "identifiers": [{"type": "mobile", "value": "910000000022"}],
            "commChannels": [],
            "source": "INSTORE",
            "userId": 700000022,
            "accountId": "",
            "conflictingProfileList": [],
            "autoUpdateTime": "2025-03-02T08:15:40Z",
            "identifiersAll": [{"type": "mobile", "value": "910000000022"}]
          }
        ],
        "extendedFields": {},
        "roleCode": "Manager",
        "createdDate": "2024-11-18T10:05:57Z",
        "noOfChildren": 0,
        "defaultChild": true
      }
    ],
    "count": 2,
    "errors": [],
    "warnings": []
  },
  "warnings": [],
  "errors": [],
  "success": true
}"#;

/// LeadSquared, Get User Hierarchy Information: the vendor page's example.
pub const LEADSQUARED_HIERARCHY: &str = r#"{ "SearchInfo":{ "TotalUsers":3 }, "Users":[ { "UserId":"718ae557-9d0b-11e7-b0ab-02e89b2fb8f4", "Name":"John George", "Mobile":"+91-123212332", "Email":"john@example.com", "CheckedIn":"false", "IsActive":"true" }, { "UserId":"9a86dca1-9d0b-11e7-b0ab-02e89b2fb8f4", "Name":"Jack Paul", "Mobile":null, "Email":"jackdoe@example.com", "CheckedIn":"false", "IsActive":"true" }, { "UserId":"9e660b12-6fdf-11e8-8455-020714094d7e", "Name":"Zane Doe", "Mobile":null, "Email":"zane@example.com", "CheckedIn":"false", "IsActive":"true" } ] }"#;

/// LeadSquared, Get User Hierarchy Information: the vendor page's request.
pub const LEADSQUARED_REQUEST: &str = r#"{ "UserId":"3b1041fb-8374-11e7-8758-0a106ee76b21", "Include":"All" }"#;

/// LeadSquared, Get User Hierarchy Information: the vendor page's request for selected fields.
pub const LEADSQUARED_REQUEST_WITH_COLUMNS: &str = r#"{ "UserId":"3b1041fb-8374-11e7-8758-0a106ee76b21", "Include":"All", "Columns":{ "Include_CSV":"Designation,IsEmployee,EmployeeId,DateOfBirth" } }"#;

/// LeadSquared, Get User Hierarchy Information: the complete example with invented people (fact sheet 2.7).
pub const LEADSQUARED_INVENTED_HIERARCHY: &str = r#"{
  "SearchInfo": {"TotalUsers": 3},
  "Users": [
    {
      "UserId": "5f0c1a10-0000-4000-8000-000000000011",
      "Name": "Meera Valdez",
      "Mobile": "+91-9000000011",
      "Email": "meera.valdez@example.com",
      "CheckedIn": "true",
      "IsActive": "true"
    },
    {
      "UserId": "5f0c1a10-0000-4000-8000-000000000012",
      "Name": "Jonas Achterberg",
      "Mobile": null,
      "Email": "jonas.achterberg@example.com",
      "CheckedIn": "false",
      "IsActive": "true"
    },
    {
      "UserId": "5f0c1a10-0000-4000-8000-000000000013",
      "Name": "Lucia Pham",
      "Mobile": null,
      "Email": "lucia.pham@example.com",
      "CheckedIn": "false",
      "IsActive": "false"
    }
  ]
}"#;

/// LeadSquared: the refusal of a call beyond the limit, under 429, 403 or 200 (fact sheet 2.7).
pub const LEADSQUARED_THROTTLED: &str = r#"{"Status": "Error", "ExceptionType": "MXAPIRateLimitExceededException", "ExceptionMessage": "API calls exceeded the limit of 25 in 5 second(s)"}"#;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_documented_bodies_are_json_with_the_rows_they_show() {
        let rows = |body: &str, list: &str| {
            let body: Value = serde_json::from_str(body).unwrap();
            body.pointer(list).and_then(Value::as_array).map(Vec::len)
        };
        assert_eq!(rows(CAPILLARY_HIERARCHY, "/entity/customers"), Some(2));
        assert_eq!(rows(LEADSQUARED_HIERARCHY, "/Users"), Some(3));
        assert_eq!(rows(LEADSQUARED_INVENTED_HIERARCHY, "/Users"), Some(3));
        for body in [LEADSQUARED_REQUEST, LEADSQUARED_REQUEST_WITH_COLUMNS, LEADSQUARED_THROTTLED] {
            assert!(serde_json::from_str::<Value>(body).unwrap().is_object());
        }
    }
}
