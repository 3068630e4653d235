//! The API's own description (OpenAPI 3.1), made of the table that requests are checked by.

use serde_json::{Map, Value, json};

use crate::api::{BASE, Field, OPERATIONS, Operation, Place};

/// What can go wrong with any request.
const ERRORS: [(&str, &str); 9] = [
    ("400", "The body is no JSON."),
    ("401", "There is no token, or it is over."),
    ("403", "The token's scope is too small, or the request comes from another site."),
    ("404", "There is no such guest, device, voucher or entry."),
    ("413", "The body is too long."),
    ("415", "The body is not application/json."),
    ("422", "A field does not fit, or the gateway cannot do that now; `error` says why."),
    ("429", "Too many passwords were tried; Retry-After says when to go on."),
    ("503", "Too many streams are open."),
];

pub(crate) fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let at = paths.entry(format!("{BASE}{}", operation.path)).or_insert_with(|| json!({}));
        at[operation.method.to_ascii_lowercase()] = described(operation);
    }
    let login = json!({
        "name": { "type": "string" },
        "password": { "type": "string", "format": "password" },
    });
    paths.insert(
        format!("{BASE}/login"),
        json!({ "post": {
            "operationId": "sign_in",
            "summary": "Show a password and get a cookie that is good for twelve hours. Programs need none: `poblano operator token`.",
            "security": [],
            "requestBody": body(&json!({ "type": "object", "properties": login, "required": ["name", "password"], "additionalProperties": false })),
            "responses": responses(None),
        } }),
    );
    paths.insert(
        format!("{BASE}/logout"),
        json!({ "post": {
            "operationId": "sign_out", "summary": "Give the cookie back.", "security": [], "responses": responses(None),
        } }),
    );
    paths.insert(
        format!("{BASE}/me"),
        json!({ "get": { "operationId": "me", "summary": "Who asks, and what it may.", "responses": responses(None) } }),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Poblano",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the command line does, over HTTP, in the same words.",
        },
        "paths": paths,
        "components": {
            "schemas": { "Error": {
                "type": "object",
                "properties": { "error": { "type": "string" } },
                "required": ["error"],
            } },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "`poblano operator token` prints one." },
                "cookie": { "type": "apiKey", "in": "cookie", "name": crate::routes::COOKIE },
            },
        },
        "security": [{ "token": [] }, { "cookie": [] }],
    })
}

fn described(operation: &Operation) -> Value {
    let parameter = |field: &Field| {
        let place = match field.place {
            Place::Path => "path",
            Place::Query => "query",
            Place::Body => return None,
        };
        Some(json!({
            "name": field.name, "in": place, "required": field.is_required, "description": field.doc, "schema": field.kind.schema(),
        }))
    };
    let path: String = operation.path.chars().filter(char::is_ascii_alphabetic).collect();
    let mut told = json!({
        "operationId": format!("{}_{path}", operation.command),
        "summary": operation.doc,
        "description": format!("Scope: {}.", operation.scope.as_str()),
        "parameters": operation.fields.iter().filter_map(parameter).collect::<Vec<_>>(),
        "responses": responses(operation.file()),
    });
    if operation.has_body() {
        let fields = || operation.fields.iter().filter(|field| field.place == Place::Body);
        let properties: Map<String, Value> = fields()
            .map(|field| {
                let mut schema = field.kind.schema();
                schema["description"] = field.doc.into();
                (field.name.to_owned(), schema)
            })
            .collect();
        let required: Vec<_> = fields().filter(|field| field.is_required).map(|field| field.name).collect();
        let schema =
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
        told["requestBody"] = body(&schema);
    }
    told
}

fn body(schema: &Value) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

fn responses(file: Option<&str>) -> Value {
    let kind = file.and_then(|kind| kind.split(';').next()).unwrap_or("application/json");
    let schema = json!({ "type": if file.is_some() { "string" } else { "object" } });
    let mut all = json!({ "200": { "description": "Done, or told.", "content": { kind: { "schema": schema } } } });
    for (status, why) in ERRORS {
        all[status] = json!({
            "description": why,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
        });
    }
    all
}
