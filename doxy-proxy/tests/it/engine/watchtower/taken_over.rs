//! What somebody gets who has taken Watchtower over, and what an image does that Watchtower pulls: no more than the
//! policy's head says.

use serde_json::{Value, json};

use super::super::{docker_ok, real};
use super::{ask, policy, replace, service};

/// A create that stands by itself gets no more than what is listed, whatever the old service had.
#[test]
fn a_folder_for_reading_is_not_written_to() {
    let Some(engine) = real::engine() else { return };
    let (image, volume) = (engine.image(), engine.volume());
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("UTF-8");
    let bind = format!("{folder}:/data:ro");
    let options = ["--user", "2100000000", "--read-only", "-v", &*bind];
    let web = engine.running(&image, &options, &["sleep", "86400"]);
    let reading = format!("{folder}:ro");
    let doxy = policy(&engine, &[&web.name], &reading, &volume.name, "[]");
    let before = service(&engine, &web.name);
    replace(&doxy.socket(), &web.name).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(service(&engine, &web.name), before);

    let ask = |method, target: &str, body: &Value| ask(&doxy.socket(), method, target, body);
    let remove = format!("/containers/{}?force=1", web.name);
    ask("DELETE", &remove, &Value::Null).unwrap_or_else(|error| panic!("{error}"));
    let create = format!("/containers/create?name={}", web.name);
    let stronger = |bind: String| {
        json!({"Image": image.name, "User": "0", "Cmd": ["touch", "/data/x"],
            "HostConfig": {"NetworkMode": "none", "Binds": [bind]}})
    };
    for how in ["", ":rw"] {
        let error = ask("POST", &create, &stronger(format!("{folder}:/data{how}")));
        let error = error.expect_err("a folder to write to");
        assert!(error.contains("only be mounted for reading"), "{error}");
    }
    // As root, which the policy does not prevent, but only to read.
    ask("POST", &create, &stronger(bind)).unwrap_or_else(|error| panic!("{error}"));
    let start = format!("/containers/{}/start", web.name);
    ask("POST", &start, &Value::Null).unwrap_or_else(|error| panic!("{error}"));
    docker_ok(&engine.socket, ["wait", &*web.name]);
    assert_eq!(std::fs::read_dir(folder).expect("the folder").count(), 0);
}
