//! How a job's rows are prepared, with every name looked up and every type worked out. Pure.

use std::collections::BTreeMap;

use crate::connect::cell::CellType;
use crate::connect::document::{Comparison, Function, Join};
use crate::connect::expression::Expression;

/// A column of what is prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: CellType,
}

/// How a job's rows are prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Datasets, then merges, each after those that it merges.
    pub(super) stages: Vec<Stage>,
    /// The stage whose rows are wanted.
    pub(super) output: usize,
    /// The column of that stage which identifies a row in the source.
    pub(super) external_id: usize,
    /// The dataset, of those that the stage is merged of, whose rows that column identifies.
    pub(super) leaf: usize,
}

impl Plan {
    /// What to read of each dataset: its fields, then those that conditions and others use beside them.
    pub fn reads(&self) -> BTreeMap<&str, Vec<(String, CellType)>> {
        let datasets = self.stages.iter().filter(|stage| matches!(stage.from, Origin::Dataset(_)));
        datasets.map(|stage| (stage.name.as_str(), stage.fields())).collect()
    }

    /// The columns of the rows that are prepared.
    pub fn columns(&self) -> Vec<Column> {
        self.output().map(Stage::named).unwrap_or_default()
    }

    /// The column that a document calls `name`: that of a field which refers to another row may have `.id` behind it.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.output()?.column(name)
    }

    /// The column that identifies a row in the source.
    pub fn external_id(&self) -> usize {
        self.external_id
    }

    /// The dataset that [`Plan::external_id`] is of.
    pub fn dataset(&self) -> &str {
        self.output().and_then(|stage| stage.leaves.get(self.leaf)).map_or("", String::as_str)
    }

    /// The datasets that a row is merged of.
    pub fn datasets(&self) -> &[String] {
        self.output().map_or(&[], |stage| &stage.leaves)
    }

    /// The fields by which datasets are merged, where they are fields of the source: whoever reads a part of the one
    /// can read its partners in the other by them.
    pub fn partners(&self) -> Vec<[SourceField<'_>; 2]> {
        let pairs = self.stages.iter().filter_map(|stage| match &stage.from {
            Origin::Merge(merge) => {
                Some(merge.on.iter().map(|(left, right)| [(merge.left, *left), (merge.right, *right)]))
            }
            Origin::Dataset(_) => None,
        });
        pairs.flatten().filter_map(|[one, other]| Some([self.source(one)?, self.source(other)?])).collect()
    }

    /// The field of the source that a column of a stage is; none: it is worked out.
    fn source(&self, (at, column): (usize, usize)) -> Option<SourceField<'_>> {
        let stage = self.stages.get(at)?;
        let found = stage.columns.get(column)?;
        match (&found.value, &stage.from) {
            (Source::Field, _) => Some(SourceField { dataset: &stage.name, field: &found.name }),
            (Source::Side(Side::Left, column), Origin::Merge(merge)) => self.source((merge.left, *column)),
            (Source::Side(Side::Right, column), Origin::Merge(merge)) => self.source((merge.right, *column)),
            _ => None,
        }
    }

    pub(super) fn output(&self) -> Option<&Stage> {
        self.stages.get(self.output)
    }
}

/// A field of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceField<'p> {
    /// The dataset.
    pub dataset: &'p str,
    /// As its source calls it.
    pub field: &'p str,
}

/// A dataset or a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub name: String,
    pub from: Origin,
    pub columns: Vec<StageColumn>,
    /// The datasets that it is of: several, if it is a merge.
    pub leaves: Vec<String>,
}

impl Stage {
    /// The columns of the source that it has.
    fn fields(&self) -> Vec<(String, CellType)> {
        let fields = self.columns.iter().filter(|column| matches!(column.value, Source::Field));
        fields.map(|column| (column.name.clone(), column.kind)).collect()
    }

    fn named(&self) -> Vec<Column> {
        let columns = self.columns.iter();
        columns.map(|column| Column { name: column.name.clone(), kind: column.kind }).collect()
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        let named = |name: &str| self.columns.iter().position(|column| column.name == name);
        named(name).or_else(|| named(name.strip_suffix(".id")?))
    }

    /// The dataset, by its place in `leaves`, that the column is of; none: it is worked out.
    pub fn leaf(&self, stages: &[Stage], column: usize) -> Option<usize> {
        match (&self.columns.get(column)?.value, &self.from) {
            (Source::Field, _) => Some(0),
            (Source::Side(side, column), Origin::Merge(merge)) => {
                let (left, right) = (stages.get(merge.left)?, stages.get(merge.right)?);
                match side {
                    Side::Left => left.leaf(stages, *column),
                    Side::Right => Some(left.leaves.len() + right.leaf(stages, *column)?),
                }
            }
            _ => None,
        }
    }
}

/// Where the rows of a stage come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The dataset of its name, those that the filter lets through.
    Dataset(Option<Filter>),
    /// Two stages.
    Merge(Merge),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Merge {
    pub left: usize,
    pub right: usize,
    pub join: Join,
    /// Columns of the left and of the right one.
    pub on: Vec<(usize, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StageColumn {
    pub name: String,
    pub kind: CellType,
    pub value: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Where a column's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The dataset's field of its name.
    Field,
    /// A column of a side of the merge.
    Side(Side, usize),
    /// Columns before it.
    Computed(Rule),
}

/// A condition on a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub column: usize,
    pub kind: CellType,
    pub is: Comparison,
    /// As the column's cells have them.
    pub values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    pub expression: Expression,
    pub conditions: BTreeMap<char, Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Cases(Vec<(Filter, Operand)>, Operand),
    Formula(Operand),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Null,
    Value(String),
    Column(usize),
    Call(Function, Vec<Operand>),
}

impl Operand {
    /// The columns that it is worked out of.
    pub fn columns(&self) -> Vec<usize> {
        match self {
            Operand::Null | Operand::Value(_) => Vec::new(),
            Operand::Column(column) => vec![*column],
            Operand::Call(_, args) => args.iter().flat_map(Operand::columns).collect(),
        }
    }
}

impl Rule {
    /// The columns that it is worked out of.
    pub fn columns(&self) -> Vec<usize> {
        match self {
            Rule::Formula(operand) => operand.columns(),
            Rule::Cases(cases, otherwise) => {
                let of_case = |(filter, then): &(Filter, Operand)| {
                    let conditions = filter.conditions.values().map(|condition| condition.column);
                    conditions.chain(then.columns()).collect::<Vec<_>>()
                };
                cases.iter().flat_map(of_case).chain(otherwise.columns()).collect()
            }
        }
    }
}
