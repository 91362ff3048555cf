//! The commands of docs/chat.md are run, with a stand-in for the model.

use biplane_testkit::{marked_blocks, standin::Answer};
use camino::Utf8Path;

use crate::lab::Lab;

#[test]
fn the_commands_of_the_page_work() {
    let page = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/chat.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = marked_blocks(&page, "guide");
    assert!(blocks.len() > 2);
    assert_eq!(page.matches("```sh\n").count(), blocks.len(), "every block of commands is run");
    let lab = Lab::new(|_| Answer::text("Two tasks are open."));
    let program = Utf8Path::new(env!("CARGO_BIN_EXE_biplane")).parent().unwrap();
    let path = format!("{program}:{}", std::env::var("PATH").unwrap());
    for block in blocks {
        // The page's local server is the stand-in.
        let block = block.replace("http://127.0.0.1:11434/v1", &lab.model.url());
        let call = lab.env.program("sh").args(["-eu", "-c", &block]).env("PATH", &path);
        call.in_dir(lab.repo.path()).run().success();
    }
    assert!(!lab.model.turns().is_empty());
    lab.is_sound();
}
