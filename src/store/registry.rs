//! Which fields have been seen: from it the views are made. It grows as records are loaded, and no field of it is ever
//! removed or changes its column.

use std::collections::{BTreeMap, HashMap};

use super::types::{FieldType, column_name, distinct, is_long_number, standard_fields};
use crate::event::value::Shape;

/// Most fields of an object that get columns without being standard or declared.
pub const MOST_FIELDS: usize = 500;

/// The shapes that the values of a field have had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shapes(pub u8);

impl Shapes {
    const NUMBER: Shapes = Shapes(1);
    const BOOLEAN: Shapes = Shapes(2);
    const OTHER: Shapes = Shapes(4);

    /// Of one value; a null has none.
    pub fn of(json: &str) -> Shapes {
        match Shape::of(json) {
            Shape::Null => Shapes::default(),
            Shape::Number if is_long_number(json) => Shapes::OTHER,
            Shape::Number => Shapes::NUMBER,
            Shape::Boolean => Shapes::BOOLEAN,
            Shape::String | Shape::Object | Shape::Array => Shapes::OTHER,
        }
    }

    /// Those of both.
    pub fn and(self, other: Shapes) -> Shapes {
        Shapes(self.0 | other.0)
    }

    /// The type of a field that nobody declared.
    fn field_type(self) -> FieldType {
        match self {
            Shapes::NUMBER => FieldType::Number,
            Shapes::BOOLEAN => FieldType::Boolean,
            _ => FieldType::Text,
        }
    }
}

/// An object of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Id of the tenant.
    pub tenant: String,
    /// `person`, `company`, …
    pub object: String,
}

/// A field that has had a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenField {
    /// Gainsight's name.
    pub field: String,
    /// Its column.
    pub column: String,
    /// What its values were.
    pub shapes: Shapes,
}

/// The types that a configuration declares for the fields of objects.
pub type Declared = HashMap<ObjectName, HashMap<String, FieldType>>;

/// The fields of one object, in the order in which they were first seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    fields: Vec<SeenField>,
    places: HashMap<String, usize>,
    /// Fields beyond [`MOST_FIELDS`]: they have no column.
    beyond: u64,
}

/// A column of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The field that it shows.
    pub field: String,
    /// How it shows it.
    pub field_type: FieldType,
}

/// Every field seen.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    objects: BTreeMap<ObjectName, Seen>,
    declared: Declared,
}

/// The columns of a view of an object beside its fields.
pub fn fixed_columns(object: &str) -> &'static [&'static str] {
    match object {
        "person" => {
            &["id", "gsid", "key", "created_at", "modified_at", "deleted_at", "modified_by", "user_ids"]
        }
        _ => &["id", "gsid", "key", "created_at", "modified_at", "deleted_at", "modified_by"],
    }
}

impl Registry {
    /// A registry that knows what is declared, and has seen nothing.
    pub fn new(declared: Declared) -> Self {
        Registry { objects: BTreeMap::new(), declared }
    }

    /// Adds a field as it is stored, behind those that are there.
    pub fn add(&mut self, object: ObjectName, field: SeenField) {
        let seen = self.objects.entry(object).or_default();
        seen.places.insert(field.field.clone(), seen.fields.len());
        seen.fields.push(field);
    }

    /// The objects that are known.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectName> {
        self.objects.keys()
    }

    /// Makes an object known, which may have no field yet. Returns whether it is new.
    pub fn know(&mut self, object: &ObjectName) -> bool {
        if self.objects.contains_key(object) {
            return false;
        }
        self.objects.insert(object.clone(), Seen::default());
        true
    }

    /// Notes that `field` of `object` has had the value `json`. Returns what is to be stored, if that is new.
    pub fn see(&mut self, object: &ObjectName, field: &str, json: &str) -> Option<SeenField> {
        self.see_shapes(object, field, Shapes::of(json))
    }

    /// The same of values of these shapes.
    pub fn see_shapes(&mut self, object: &ObjectName, field: &str, shapes: Shapes) -> Option<SeenField> {
        let declared = self.declared.get(object).and_then(|fields| fields.get(field)).is_some();
        let standard = standard_fields(&object.object);
        if standard.iter().any(|(name, _)| *name == field) {
            return None;
        }
        let seen = self.objects.get_mut(object)?;
        if let Some(known) = seen.places.get(field).and_then(|place| seen.fields.get_mut(*place)) {
            let shapes = known.shapes.and(shapes);
            let is_new = shapes != known.shapes;
            known.shapes = shapes;
            return is_new.then(|| known.clone());
        }
        if shapes == Shapes::default() {
            return None;
        }
        if !declared && seen.fields.len() >= MOST_FIELDS {
            seen.beyond += 1;
            return None;
        }
        let taken = |name: &str| {
            fixed_columns(&object.object).contains(&name)
                || standard.iter().any(|(field, _)| column_name(field) == name)
                || seen.fields.iter().any(|field| field.column == name)
        };
        let column = distinct(column_name(field), taken);
        let field = SeenField { field: field.to_owned(), column, shapes };
        seen.places.insert(field.field.clone(), seen.fields.len());
        seen.fields.push(field.clone());
        Some(field)
    }

    /// The columns of the view of `object` that show fields.
    pub fn columns(&self, object: &ObjectName) -> Vec<Column> {
        let standard = standard_fields(&object.object).iter().map(|(field, field_type)| Column {
            name: column_name(field),
            field: (*field).to_owned(),
            field_type: self.declared_type(object, field).unwrap_or(*field_type),
        });
        let seen = self.objects.get(object).map(|seen| seen.fields.as_slice()).unwrap_or_default();
        let seen = seen.iter().map(|seen| Column {
            name: seen.column.clone(),
            field: seen.field.clone(),
            field_type: self.declared_type(object, &seen.field).unwrap_or_else(|| seen.shapes.field_type()),
        });
        standard.chain(seen).collect()
    }

    fn declared_type(&self, object: &ObjectName, field: &str) -> Option<FieldType> {
        self.declared.get(object)?.get(field).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> ObjectName {
        ObjectName { tenant: "acme".to_owned(), object: "person".to_owned() }
    }

    fn registry() -> Registry {
        let mut registry = Registry::default();
        registry.know(&person());
        registry
    }

    fn types(registry: &Registry) -> Vec<(String, FieldType)> {
        let columns = registry.columns(&person());
        columns.into_iter().skip(14).map(|column| (column.name, column.field_type)).collect()
    }

    #[test]
    fn standard_columns_are_there_from_the_start_and_others_come_with_their_first_value() {
        let mut registry = registry();
        assert_eq!(registry.columns(&person()).len(), 14);
        assert_eq!(registry.see(&person(), "Name", "\"Ada\""), None);
        assert_eq!(registry.see(&person(), "Plan__gc", "null"), None, "no value yet");
        assert!(registry.see(&person(), "Plan__gc", "1").is_some());
        assert_eq!(registry.see(&person(), "Plan__gc", "2"), None);
        assert_eq!(types(&registry), [("plan__gc".to_owned(), FieldType::Number)]);
    }

    #[test]
    fn a_field_is_a_number_or_boolean_as_long_as_all_its_values_are() {
        let mut registry = registry();
        for (field, json) in [("N__gc", "1"), ("B__gc", "true"), ("M__gc", "1"), ("E__gc", "1")] {
            registry.see(&person(), field, json);
        }
        registry.see(&person(), "M__gc", "false");
        registry.see(&person(), "E__gc", "\"\"");
        let types: Vec<_> = types(&registry).into_iter().map(|(_, field_type)| field_type).collect();
        assert_eq!(types, [FieldType::Number, FieldType::Boolean, FieldType::Text, FieldType::Text]);
    }

    #[test]
    fn names_that_give_one_column_get_a_number_in_order_of_first_sight() {
        let mut registry = registry();
        for field in ["PlanName__gc", "planName__gc", "Key", "name"] {
            registry.see(&person(), field, "1");
        }
        let names: Vec<_> = types(&registry).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["plan_name__gc", "plan_name__gc_2", "key_2", "name_2"]);
    }

    #[test]
    fn beyond_five_hundred_fields_only_declared_ones_get_a_column() {
        let declared = HashMap::from([("D__gc".to_owned(), FieldType::Date)]);
        let mut registry = Registry::new(HashMap::from([(person(), declared)]));
        registry.know(&person());
        for number in 0..MOST_FIELDS {
            assert!(registry.see(&person(), &format!("F{number}__gc"), "1").is_some());
        }
        assert_eq!(registry.see(&person(), "One__gc", "1"), None);
        assert!(registry.see(&person(), "D__gc", "1").is_some());
    }
}
