//! Where two JSON documents differ: paths, old and new.

use serde_json::{Map, Value};

/// One difference: at `path` (`/containerDefinitions/0/image`), from `old` to `new`.
///
/// `None` stands for "not there", which JSON's `null` does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// A JSON Pointer (RFC 6901).
    pub path: String,
    /// What stood there before.
    pub old: Option<Value>,
    /// What stands there now.
    pub new: Option<Value>,
}

impl std::fmt::Display for Change {
    /// `/cpu: "256" → "512"`; what is not there is said as such, what is long is cut.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const LIMIT_CHARS: usize = 120;
        let said = |value: &Option<Value>| {
            value.as_ref().map_or_else(
                || "not there".to_owned(),
                |value| super::text::cut(&value.to_string(), LIMIT_CHARS),
            )
        };
        write!(
            f,
            "{}: {} → {}",
            self.path,
            said(&self.old),
            said(&self.new)
        )
    }
}

/// All differences from `old` to `new`, in the order of `old`, what is new to an object last.
pub fn changes(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<Change> {
    let mut found = Vec::new();
    objects(String::new(), old, new, &mut found);
    found
}

fn objects(
    path: String,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    found: &mut Vec<Change>,
) {
    for (key, value) in old {
        values(
            format!("{path}/{}", escaped(key)),
            Some(value),
            new.get(key),
            found,
        );
    }
    for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
        values(format!("{path}/{}", escaped(key)), None, Some(value), found);
    }
}

fn values(path: String, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Change>) {
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => objects(path, old, new, found),
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                values(
                    format!("{path}/{index}"),
                    old.get(index),
                    new.get(index),
                    found,
                );
            }
        }
        (old, new) if old == new => {}
        (old, new) => found.push(Change {
            path,
            old: old.cloned(),
            new: new.cloned(),
        }),
    }
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_difference_is_told_by_its_path_and_equal_parts_are_not() {
        let (Value::Object(old), Value::Object(new)) = (
            json!({"a": [{"image": "x:1"}, 2], "same": {"deep": []}, "gone": null, "a/b~": 1}),
            json!({"a": [{"image": "x:2"}, 2, 3], "same": {"deep": []}, "a/b~": 2, "fresh": ""}),
        ) else {
            unreachable!()
        };
        let told: Vec<(String, Option<Value>, Option<Value>)> = changes(&old, &new)
            .into_iter()
            .map(|change| (change.path, change.old, change.new))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "/a/0/image".to_owned(),
                    Some(json!("x:1")),
                    Some(json!("x:2"))
                ),
                ("/a/2".to_owned(), None, Some(json!(3))),
                ("/gone".to_owned(), Some(Value::Null), None),
                ("/a~1b~0".to_owned(), Some(json!(1)), Some(json!(2))),
                ("/fresh".to_owned(), None, Some(json!(""))),
            ]
        );
    }
}
