//! The JSON Schema of a scenario file, for editors.
//!
//! Made from the same records that read the file, so that the two cannot drift apart.

use schemars::generate::SchemaSettings;

use crate::file::ScenarioFile;

/// The schema (draft 2020-12).
pub fn json_schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<ScenarioFile>().to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), "Ringfence scenario".into());
    }
    schema
}
