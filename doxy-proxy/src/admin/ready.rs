//! Whether the engines answer.

use std::sync::Arc;

use doxy_proxy::Upstream;
use serde_json::{Value, json};

use crate::admin::board::Board;

/// Asks every engine. Says whether all of them answer, and what each said.
pub(super) async fn ready(board: &Board) -> (bool, Value) {
    let facts = board.facts();
    let mut engines: Vec<&Arc<Upstream>> = vec![];
    for socket in &facts.sockets {
        if engines
            .iter()
            .all(|it| it.address() != socket.engine.address())
        {
            engines.push(&socket.engine);
        }
    }
    let mut asking = tokio::task::JoinSet::new();
    for (index, engine) in engines.into_iter().enumerate() {
        let engine = Arc::clone(engine);
        asking.spawn(async move { (index, engine.address().to_string(), engine.ping().await) });
    }
    let mut answers = asking.join_all().await;
    answers.sort_unstable_by_key(|(index, ..)| *index);
    let ready = answers.iter().all(|(_, _, answer)| answer.is_ok());
    let engines = answers.into_iter().map(|(_, engine, answer)| {
        json!({"engine": engine, "ready": answer.is_ok(), "error": answer.err()})
    });
    let json = json!({
        "ready": ready,
        "policy_hash": facts.policy_hash(),
        "engines": engines.collect::<Vec<_>>(),
    });
    (ready, json)
}
