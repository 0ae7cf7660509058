//! The output variables of several services.

use serde_json::json;
use simulator::ecs::ServiceSetup;

use crate::support::{World, app, success};

/// A revision of `family` with these containers.
fn revision(family: &str, containers: &[(&str, &str)]) -> serde_json::Value {
    let mut definition = app("x");
    definition["family"] = json!(family);
    let containers = containers
        .iter()
        .map(|(name, image)| json!({"name": name, "image": image}));
    definition["containerDefinitions"] = containers.collect();
    definition
}

/// `web` with the containers `app` and `app-worker`, `worker` with the container `app`.
fn world() -> World {
    let world = World::new();
    let ecs = world.simulator.ecs();
    let web = [("app", "repo/app:v1"), ("app-worker", "repo/helper:v1")];
    for (service, containers) in [("shop", &web[..]), ("worker", &[("app", "repo/worker:v1")])] {
        ecs.register(revision(service, containers));
        ecs.create_service(ServiceSetup {
            cluster: "prod".to_owned(),
            name: service.to_owned(),
            task_definition: format!("{service}:1"),
            ..ServiceSetup::default()
        });
    }
    world.put_images(
        r#"[{"name": "app", "imageUri": "repo/app:v2"}, {"name": "app-worker", "imageUri": "repo/helper:v2"}]"#,
    );
    world
}

#[tokio::test]
async fn a_variable_that_could_mean_the_images_of_two_containers_is_not_set_and_reported() {
    for services in [["shop", "worker"], ["worker", "shop"]] {
        let world = world();
        let start = world.start(json!({"ServiceName": null, "Services": services}));
        let mut event = start;
        let report = loop {
            let report = world.invoke(&event).await;
            let job = crate::support::id_of(&event);
            match world.simulator.codepipeline().next_event(&job) {
                Some(next) => event = next,
                None => break report,
            }
        };
        let pipeline = world.simulator.codepipeline();
        let answer = pipeline.answer(&crate::support::id_of(&event)).unwrap();
        let (_, variables) = success(&answer);
        assert_eq!(variables["Image-app-shop"], "repo/app:v2");
        assert_eq!(variables["Image-app-worker-shop"], "repo/helper:v2");
        let is_first = services[0] == "shop";
        // Only the first service's containers have plain names.
        assert_eq!(
            variables.get("Image-app-worker").map(String::as_str),
            (!is_first).then_some("repo/app:v2"),
            "{variables:?}"
        );
        let warnings = report["warnings"].to_string();
        assert_eq!(
            warnings.contains("the output variable Image-app-worker is not set, because it would be the image of the container app-worker of shop on prod and the image of the container app of worker on prod"),
            is_first,
            "{warnings}"
        );
    }
}
