//! Rows to Parquet and back: the same rows give the same bytes.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, ListArray, RecordBatch,
        StringArray, StructArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Schema},
};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties, WriterVersion},
};
use serde_json::{Map, Value};

use crate::{error::BundleError, imported};

/// Rows of one row group; the dataset viewer of the Hugging Face hub reads one at a time.
const ROW_GROUP_ROWS: usize = 1_000;
/// Level of zstd.
const ZSTD_LEVEL: i32 = 6;
/// Size up to which a column keeps a dictionary, bytes: eight attempts share a prompt, and the
/// pairs of a task its document.
const DICTIONARY_BYTES: usize = 16 * 1024 * 1024;
/// What Parquet files name as their writer; part of the bytes, so it is not the library's version.
const CREATED_BY: &str = "lode-bundle/1";

static NULL: Value = Value::Null;

/// A column of the given type from JSON values; a value of another type is an error.
fn column(name: &str, kind: &DataType, values: &[&Value]) -> Result<ArrayRef, String> {
    let wrong = |value: &Value| format!("column {name}: {value} is no {kind}");
    let nulls = || NullBuffer::from_iter(values.iter().map(|value| !value.is_null()));
    Ok(match kind {
        DataType::Utf8 => {
            let mut cells = Vec::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Null => cells.push(None),
                    Value::String(text) => cells.push(Some(text.as_str())),
                    other => return Err(wrong(other)),
                }
            }
            Arc::new(StringArray::from(cells))
        }
        DataType::Int64 => {
            let mut cells = Vec::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Null => cells.push(None),
                    other => cells.push(Some(other.as_i64().ok_or_else(|| wrong(other))?)),
                }
            }
            Arc::new(Int64Array::from(cells))
        }
        DataType::Boolean => {
            let mut cells = Vec::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Null => cells.push(None),
                    other => cells.push(Some(other.as_bool().ok_or_else(|| wrong(other))?)),
                }
            }
            Arc::new(BooleanArray::from(cells))
        }
        // Bytes stand as a list of numbers.
        DataType::Binary => {
            let mut cells: Vec<Option<Vec<u8>>> = Vec::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Null => cells.push(None),
                    other => cells.push(Some(
                        serde_json::from_value((*other).clone()).map_err(|_| wrong(other))?,
                    )),
                }
            }
            Arc::new(cells.iter().map(Option::as_deref).collect::<BinaryArray>())
        }
        DataType::List(item) => {
            let (mut cells, mut lengths) = (Vec::new(), Vec::with_capacity(values.len()));
            for value in values {
                match value {
                    Value::Null => lengths.push(0),
                    Value::Array(items) => {
                        cells.extend(items);
                        lengths.push(items.len());
                    }
                    other => return Err(wrong(other)),
                }
            }
            let child = column(name, item.data_type(), &cells)?;
            let offsets = OffsetBuffer::from_lengths(lengths);
            let list = ListArray::try_new(item.clone(), offsets, child, Some(nulls()));
            Arc::new(list.map_err(|error| error.to_string())?)
        }
        DataType::Struct(fields) => {
            let mut children = Vec::with_capacity(fields.len());
            for field in fields {
                let mut cells = Vec::with_capacity(values.len());
                for value in values {
                    match value {
                        Value::Null => cells.push(&NULL),
                        Value::Object(map) => cells.push(map.get(field.name()).unwrap_or(&NULL)),
                        other => return Err(wrong(other)),
                    }
                }
                children.push(column(field.name(), field.data_type(), &cells)?);
            }
            let array = StructArray::try_new(fields.clone(), children, Some(nulls()));
            Arc::new(array.map_err(|error| error.to_string())?)
        }
        other => return Err(format!("column {name}: no rows of type {other}")),
    })
}

/// Rows as one Arrow batch. Each key of a row must be a column.
fn batch(schema: &Arc<Schema>, rows: &[Map<String, Value>]) -> Result<RecordBatch, String> {
    for row in rows {
        if let Some(key) = row.keys().find(|key| schema.field_with_name(key).is_err()) {
            return Err(format!("no column is named {key}"));
        }
    }
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let cells: Vec<&Value> =
            rows.iter().map(|row| row.get(field.name()).unwrap_or(&NULL)).collect();
        columns.push(column(field.name(), field.data_type(), &cells)?);
    }
    RecordBatch::try_new(schema.clone(), columns).map_err(|error| error.to_string())
}

/// One Parquet file.
pub(crate) struct TableWriter {
    path: String,
    schema: Arc<Schema>,
    writer: ArrowWriter<Vec<u8>>,
    waiting: Vec<Map<String, Value>>,
    rows: u64,
}

impl TableWriter {
    pub(crate) fn new(path: &str, schema: Arc<Schema>) -> Result<Self, BundleError> {
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(BundleError::parquet(path))?;
        let properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.into())
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::ZSTD(level))
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))
            .map_err(BundleError::parquet(path))?;
        Ok(Self { path: path.to_owned(), schema, writer, waiting: Vec::new(), rows: 0 })
    }

    /// Adds a row; an imported one is refused.
    pub(crate) fn push(&mut self, row: Map<String, Value>) -> Result<(), BundleError> {
        imported::refuse_row(&self.path, &row)?;
        self.waiting.push(row);
        self.rows += 1;
        if self.waiting.len() >= ROW_GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    fn flush(&mut self) -> Result<(), BundleError> {
        let rows = std::mem::take(&mut self.waiting);
        let batch = batch(&self.schema, &rows)
            .map_err(|what| BundleError::Parquet { place: self.path.clone(), what })?;
        self.writer.write(&batch).map_err(BundleError::parquet(&self.path))?;
        self.writer.flush().map_err(BundleError::parquet(&self.path))
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>, BundleError> {
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        self.writer.into_inner().map_err(BundleError::parquet(&self.path))
    }
}

/// Every batch of a Parquet file, once its pages have been found to claim no more than `limit`
/// bytes unpacked. Bytes that nobody has vouched for may be given.
pub(crate) fn read(
    path: &str,
    bytes: Vec<u8>,
    limit: u64,
) -> Result<Vec<RecordBatch>, BundleError> {
    crate::pages::check(path, &bytes, limit)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))
        .map_err(BundleError::parquet(path))?;
    let reader =
        builder.with_batch_size(ROW_GROUP_ROWS).build().map_err(BundleError::parquet(path))?;
    reader.map(|batch| batch.map_err(BundleError::arrow(path))).collect()
}

/// A cell as a value; the opposite of [`column`].
fn value(array: &dyn Array, row: usize) -> Result<Value, String> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let any = array.as_any();
    if let Some(texts) = any.downcast_ref::<StringArray>() {
        Ok(texts.value(row).into())
    } else if let Some(numbers) = any.downcast_ref::<Int64Array>() {
        Ok(numbers.value(row).into())
    } else if let Some(truths) = any.downcast_ref::<BooleanArray>() {
        Ok(truths.value(row).into())
    } else if let Some(bytes) = any.downcast_ref::<BinaryArray>() {
        Ok(bytes.value(row).into())
    } else if let Some(lists) = any.downcast_ref::<ListArray>() {
        let items = lists.value(row);
        (0..items.len()).map(|place| value(&items, place)).collect()
    } else if let Some(records) = any.downcast_ref::<StructArray>() {
        let fields = records.fields().iter().zip(records.columns());
        let cells: Result<Map<String, Value>, String> =
            fields.map(|(field, column)| Ok((field.name().clone(), value(column, row)?))).collect();
        Ok(Value::Object(cells?))
    } else {
        Err(format!("no values of type {}", array.data_type()))
    }
}

/// Every row of a batch; the opposite of [`TableWriter::push`].
pub(crate) fn rows(
    path: &str,
    batch: &RecordBatch,
) -> Result<Vec<Map<String, Value>>, BundleError> {
    let schema = batch.schema();
    (0..batch.num_rows())
        .map(|row| {
            let fields = schema.fields().iter().zip(batch.columns());
            fields
                .map(|(field, column)| Ok((field.name().clone(), value(column, row)?)))
                .collect::<Result<_, String>>()
                .map_err(|what| BundleError::bad(path, what))
        })
        .collect()
}

/// A text column of a batch.
pub(crate) fn texts<'a>(
    path: &str,
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a StringArray, BundleError> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_any().downcast_ref::<StringArray>())
        .ok_or_else(|| BundleError::bad(path, format!("has no text column {name:?}")))
}

/// The whole number in a field of a record's cell; `None` for null and where there is no such field.
pub(crate) fn inner_number(
    batch: &RecordBatch,
    column: &str,
    field: &str,
    row: usize,
) -> Option<i64> {
    let record = batch.column_by_name(column)?.as_any().downcast_ref::<StructArray>()?;
    let numbers = record.column_by_name(field)?.as_any().downcast_ref::<Int64Array>()?;
    let there = row < numbers.len() && !record.is_null(row) && !numbers.is_null(row);
    there.then(|| numbers.value(row))
}

/// The text in a cell, `None` for null.
pub(crate) fn cell(column: &StringArray, row: usize) -> Option<&str> {
    (row < column.len() && !column.is_null(row)).then(|| column.value(row))
}
