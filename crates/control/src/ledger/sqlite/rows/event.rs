//! An event's row. The body is the event's own JSON form, which is stable; the columns beside it serve the filters.

use biplane_model::{Actor, Event, Seq};
use rusqlite::types::Type;

use super::{Fields, fault};

/// The columns that [`event`] reads.
pub(in super::super) const EVENT_COLUMNS: &str = "seq, at, actor, body";

/// From a row that has [`EVENT_COLUMNS`].
pub(in super::super) fn event(f: &mut Fields<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        seq: Seq(f.count()?),
        at: f.time()?,
        actor: Actor::new(&f.text()?),
        fact: {
            let body = f.maybe_str()?;
            serde_json::from_str(f.present(body)?).map_err(|e| fault(3, Type::Text, e))?
        },
    })
}
