//! GGUF container, read with every length checked against the file before anything is allocated.
//!
//! Flow: [`Gguf::open`] reads the header (metadata and the table of tensors); [`Gguf::load`]
//! reads one tensor's bytes and dequantises them to f32. Format:
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, ggml_file::qtensor_from_ggml};
use candle_core::{Device, Tensor};

use crate::error::{ModelError, Result};

const FORMAT: &str = "GGUF";
const MAGIC: &[u8; 4] = b"GGUF";
/// Longest string in the metadata, bytes (chat templates are the longest in practice).
const MAX_STRING_BYTES: u64 = 16 << 20;
/// Most elements of one metadata array (a vocabulary is the largest).
const MAX_ARRAY: u64 = 1 << 23;
/// Most metadata entries and tensors.
const MAX_ENTRIES: u64 = 1 << 16;
/// Most tensor dimensions.
const MAX_DIMS: u32 = 4;
/// Nested arrays deeper than this are refused.
const MAX_DEPTH: u32 = 2;
/// Tensor data alignment when the file does not say, bytes.
const DEFAULT_ALIGNMENT: u64 = 32;

/// One metadata value.
#[derive(Clone, Debug, PartialEq)]
pub enum GgufValue {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// f32 or f64.
    Float(f64),
    /// A flag.
    Bool(bool),
    /// A string.
    Text(String),
    /// A list of values of one kind.
    Array(Vec<GgufValue>),
}

/// Where one tensor lies and how it is stored.
#[derive(Clone, Debug)]
pub struct GgufTensor {
    /// Row-major dimensions, outermost first (GGUF itself stores them innermost first).
    pub dims: Vec<usize>,
    /// Storage type.
    pub dtype: GgmlDType,
    offset: u64,
    bytes: usize,
}

/// An open GGUF file.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    metadata: HashMap<String, GgufValue>,
    tensors: HashMap<String, GgufTensor>,
}

struct Reader<'a> {
    inner: BufReader<File>,
    path: &'a Path,
    size: u64,
    left: u64,
}

impl Reader<'_> {
    fn bad(&self, reason: impl Into<String>) -> ModelError {
        ModelError::malformed(FORMAT, self.path, reason)
    }

    /// It would have to be so many bytes longer.
    fn cut_short(&self, missing: u64) -> ModelError {
        let needed = self.size.saturating_add(missing);
        ModelError::CutShort { path: self.path.to_owned(), size: self.size, needed }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut buf = [0u8; N];
        self.fill(&mut buf)?;
        Ok(buf)
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<()> {
        let wanted = buf.len() as u64;
        if wanted > self.left {
            return Err(self.cut_short(wanted - self.left));
        }
        self.inner.read_exact(buf).map_err(|e| ModelError::io("read", self.path, e))?;
        self.left -= wanted;
        Ok(())
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn string(&mut self) -> Result<String> {
        let len = self.u64()?;
        if len > MAX_STRING_BYTES {
            return Err(self.bad(format!("a string claims {len} bytes")));
        }
        if len > self.left {
            return Err(self.cut_short(len - self.left));
        }
        let mut buf = vec![0u8; len as usize];
        self.fill(&mut buf)?;
        String::from_utf8(buf).map_err(|_| self.bad("a string is not UTF-8"))
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<GgufValue> {
        use GgufValue as V;
        Ok(match kind {
            0 => V::Unsigned(u64::from(self.bytes::<1>()?[0])),
            1 => V::Signed(i64::from(i8::from_le_bytes(self.bytes()?))),
            2 => V::Unsigned(u64::from(u16::from_le_bytes(self.bytes()?))),
            3 => V::Signed(i64::from(i16::from_le_bytes(self.bytes()?))),
            4 => V::Unsigned(u64::from(self.u32()?)),
            5 => V::Signed(i64::from(i32::from_le_bytes(self.bytes()?))),
            6 => V::Float(f64::from(f32::from_le_bytes(self.bytes()?))),
            7 => V::Bool(self.bytes::<1>()?[0] != 0),
            8 => V::Text(self.string()?),
            9 => {
                let kind = self.u32()?;
                let len = self.u64()?;
                if depth >= MAX_DEPTH || len > MAX_ARRAY {
                    return Err(
                        self.bad(format!("an array claims {len} elements at depth {depth}"))
                    );
                }
                // An element has at least a byte.
                if len > self.left {
                    return Err(self.cut_short(len - self.left));
                }
                let mut items = Vec::new();
                for _ in 0..len {
                    items.push(self.value(kind, depth + 1)?);
                }
                V::Array(items)
            }
            10 => V::Unsigned(self.u64()?),
            11 => V::Signed(i64::from_le_bytes(self.bytes()?)),
            12 => V::Float(f64::from_le_bytes(self.bytes()?)),
            other => return Err(self.bad(format!("metadata type {other} is unknown"))),
        })
    }
}

/// The numbers that GGUF uses for storage types that can be dequantised here.
fn dtype_of(number: u32) -> Option<GgmlDType> {
    Some(match number {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}

impl Gguf {
    /// Reads the header of `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| ModelError::io("open", path, e))?;
        let size = file.metadata().map_err(|e| ModelError::io("read", path, e))?.len();
        let mut r = Reader { inner: BufReader::new(file), path, size, left: size };
        if r.bytes::<4>().ok().as_ref() != Some(MAGIC) {
            return Err(r.bad("it does not begin with the letters GGUF"));
        }
        let version = r.u32()?;
        if !(2..=3).contains(&version) {
            return Err(r.bad(format!("its version is {version}, versions 2 and 3 can be read")));
        }
        let (tensor_count, metadata_count) = (r.u64()?, r.u64()?);
        if tensor_count > MAX_ENTRIES || metadata_count > MAX_ENTRIES {
            return Err(r.bad(format!(
                "it claims {tensor_count} tensors and {metadata_count} metadata entries"
            )));
        }
        let mut metadata = HashMap::new();
        for _ in 0..metadata_count {
            let key = r.string()?;
            let kind = r.u32()?;
            let value = r.value(kind, 0)?;
            metadata.insert(key, value);
        }
        let mut raw = Vec::new();
        for _ in 0..tensor_count {
            let name = r.string()?;
            let rank = r.u32()?;
            if rank == 0 || rank > MAX_DIMS {
                return Err(r.bad(format!("tensor `{name}` has {rank} dimensions")));
            }
            let mut dims = Vec::new();
            for _ in 0..rank {
                dims.push(r.u64()?);
            }
            let kind = r.u32()?;
            let offset = r.u64()?;
            raw.push((name, dims, kind, offset));
        }
        let alignment = match metadata.get("general.alignment") {
            Some(GgufValue::Unsigned(a)) if a.is_power_of_two() && *a <= 1 << 20 => *a,
            Some(_) => return Err(r.bad("`general.alignment` is not a power of two")),
            None => DEFAULT_ALIGNMENT,
        };
        let data_start = (size - r.left).next_multiple_of(alignment);
        let mut tensors = HashMap::new();
        let mut needed = 0;
        for (name, dims, kind, offset) in raw {
            let Some(dtype) = dtype_of(kind) else {
                return Err(ModelError::Unsupported(format!(
                    "tensor `{name}` is stored as GGML type {kind}"
                )));
            };
            let elements = dims.iter().try_fold(1u64, |n, d| n.checked_mul(*d));
            let bytes = elements.and_then(|n| {
                let block = dtype.block_size() as u64;
                (n % block == 0 && dims[0] % block == 0)
                    .then(|| (n / block).checked_mul(dtype.type_size() as u64))?
            });
            let end = bytes.and_then(|b| data_start.checked_add(offset)?.checked_add(b));
            let (Some(bytes), Some(end)) = (bytes, end) else {
                return Err(r.bad(format!("tensor `{name}` has an impossible size")));
            };
            needed = needed.max(end);
            let dims = dims.iter().rev().map(|d| *d as usize).collect();
            tensors.insert(
                name,
                GgufTensor { dims, dtype, offset: data_start + offset, bytes: bytes as usize },
            );
        }
        if needed > size {
            return Err(r.cut_short(needed - size));
        }
        Ok(Self { path: path.to_path_buf(), metadata, tensors })
    }

    /// Path the file was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A metadata value.
    pub fn get(&self, key: &str) -> Option<&GgufValue> {
        self.metadata.get(key)
    }

    /// A metadata string.
    pub fn str(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            GgufValue::Text(s) => Some(s),
            _ => None,
        }
    }

    /// A metadata integer that fits a `usize`.
    pub fn usize(&self, key: &str) -> Option<usize> {
        match self.get(key)? {
            GgufValue::Unsigned(v) => usize::try_from(*v).ok(),
            GgufValue::Signed(v) => usize::try_from(*v).ok(),
            _ => None,
        }
    }

    /// A metadata float.
    pub fn f64(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            GgufValue::Float(v) => Some(*v),
            _ => None,
        }
    }

    /// A metadata flag.
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            GgufValue::Bool(v) => Some(*v),
            _ => None,
        }
    }

    /// A metadata array of strings; `None` if any element is something else.
    pub fn strings(&self, key: &str) -> Option<Vec<&str>> {
        let GgufValue::Array(items) = self.get(key)? else {
            return None;
        };
        items
            .iter()
            .map(|v| if let GgufValue::Text(s) = v { Some(s.as_str()) } else { None })
            .collect()
    }

    /// A metadata array of integers; `None` if any element is something else.
    pub fn integers(&self, key: &str) -> Option<Vec<i64>> {
        let GgufValue::Array(items) = self.get(key)? else {
            return None;
        };
        items
            .iter()
            .map(|v| match v {
                GgufValue::Signed(n) => Some(*n),
                GgufValue::Unsigned(n) => i64::try_from(*n).ok(),
                _ => None,
            })
            .collect()
    }

    /// The description of one tensor.
    pub fn tensor(&self, name: &str) -> Option<&GgufTensor> {
        self.tensors.get(name)
    }

    /// Weights in all tensors together.
    pub fn elements(&self) -> u64 {
        let of = |tensor: &GgufTensor| tensor.dims.iter().map(|dim| *dim as u64).product::<u64>();
        self.tensors.values().map(of).fold(0, u64::saturating_add)
    }

    fn info(&self, name: &str) -> Result<&GgufTensor> {
        self.tensors.get(name).ok_or_else(|| ModelError::tensor(name, "missing from the file"))
    }

    /// Reads the bytes of one tensor.
    pub(crate) fn raw(&self, name: &str) -> Result<Vec<u8>> {
        let info = self.info(name)?;
        let io = |e| ModelError::io("read", &self.path, e);
        let mut file = File::open(&self.path).map_err(io)?;
        file.seek(SeekFrom::Start(info.offset)).map_err(io)?;
        let mut raw = vec![0u8; info.bytes];
        file.read_exact(&mut raw).map_err(io)?;
        Ok(raw)
    }

    /// Reads one tensor and dequantises it to f32 on the CPU.
    pub fn load(&self, name: &str) -> Result<Tensor> {
        let (info, raw) = (self.info(name)?, self.raw(name)?);
        let device = Device::Cpu;
        let quantised = qtensor_from_ggml(info.dtype, &raw, info.dims.clone(), &device)?;
        Ok(quantised.dequantize(&device)?)
    }
}
