//! Pages of lists, and the cursors that lead from one to the next.
//!
//! A cursor names the last record of its page, and where that stood: when the record is gone, the place counts.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use crate::bounds;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page<T> {
    /// The records.
    pub(crate) records: Vec<T>,
    /// What leads to the next page, when there is one.
    pub(crate) next: Option<String>,
}

/// Why a cursor leads nowhere.
pub(crate) const NO_CURSOR: &str = "the cursor is none that this list has given";

/// A cursor of the list `list`.
pub(crate) fn cursor(list: &str, place: usize, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1:{list}:{place}:{key}"))
}

/// What a cursor of the list `list` says: a place, and the key of a record.
pub(crate) fn read(list: &str, cursor: &str) -> Option<(usize, String)> {
    if cursor.len() > bounds::CURSOR {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let rest = text.strip_prefix("1:")?.strip_prefix(list)?.strip_prefix(':')?;
    let (place, key) = rest.split_once(':')?;
    Some((place.parse().ok()?, key.to_owned()))
}

/// The page of `all` behind `from`: at most `most` records, and about [`bounds::PAGE_BYTES`].
pub(crate) fn page<T: Serialize>(
    list: &str,
    all: Vec<T>,
    key: impl Fn(&T) -> String,
    from: Option<&str>,
    most: usize,
) -> Result<Page<T>, &'static str> {
    let begin = match from {
        None => 0,
        Some(from) => {
            let (place, last) = read(list, from).ok_or(NO_CURSOR)?;
            all.iter().position(|record| key(record) == last).map_or(place.min(all.len()), |at| at + 1)
        }
    };
    let total = all.len();
    let mut records = Vec::new();
    let mut bytes = 0;
    for record in all.into_iter().skip(begin) {
        bytes += serde_json::to_string(&record).map_or(0, |text| text.len());
        if records.len() >= most || (bytes > bounds::PAGE_BYTES && !records.is_empty()) {
            break;
        }
        records.push(record);
    }
    let end = begin + records.len();
    let next = records.last().filter(|_| end < total).map(|last| cursor(list, end, &key(last)));
    Ok(Page { records, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[&str], from: Option<&str>, most: usize) -> Result<Page<String>, &'static str> {
        page("x", all.iter().map(|s| (*s).to_owned()).collect(), String::clone, from, most)
    }

    #[test]
    fn pages_follow_each_other() {
        let first = of(&["a", "b", "c"], None, 2).unwrap();
        assert_eq!(first.records, ["a", "b"]);
        let second = of(&["a", "b", "c"], first.next.as_deref(), 2).unwrap();
        assert_eq!((second.records, second.next), (vec!["c".to_owned()], None));
    }

    #[test]
    fn a_page_goes_on_when_records_come_and_go() {
        let next = of(&["a", "b", "c", "d"], None, 2).unwrap().next;
        assert_eq!(of(&["new", "a", "b", "c"], next.as_deref(), 2).unwrap().records, ["c"]);
        assert_eq!(of(&["a", "c", "d"], next.as_deref(), 2).unwrap().records, ["d"]);
        assert!(of(&[], next.as_deref(), 2).unwrap().records.is_empty());
    }

    #[test]
    fn a_page_is_bounded_and_never_empty() {
        let large = "x".repeat(bounds::PAGE_BYTES);
        let first = of(&[&large, &large], None, 10).unwrap();
        assert!(first.records.len() == 1 && first.next.is_some());
    }

    #[test]
    fn foreign_cursors_are_refused() {
        let long = "A".repeat(1000);
        for cursor in ["", "!!", "MTp5OjE6YQ", long.as_str()] {
            assert_eq!(of(&["a"], Some(cursor), 2), Err(NO_CURSOR), "{cursor}");
        }
    }
}
