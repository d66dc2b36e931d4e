//! What is made of attributes: the groups that share a paragraph, and named measures.

use super::{
    Attribute, Group, MeasureKind, NamedMeasure,
    raw::Raw,
    read::Reader,
    template::{Slot, Template},
};
use crate::family::DomainError;

impl Reader {
    pub(super) fn attr(&self, place: &str, key: &str) -> Result<u16, DomainError> {
        match self.keys.iter().position(|known| known == key).and_then(|at| u16::try_from(at).ok())
        {
            Some(at) => Ok(at),
            None => self.fault(place, format!("no attribute {key:?}")),
        }
    }

    pub(super) fn attrs(&self, place: &str, keys: &[String]) -> Result<Vec<u16>, DomainError> {
        keys.iter().map(|key| self.attr(place, key)).collect()
    }

    pub(super) fn groups(
        &self,
        raw: &Raw,
        attributes: &[Attribute],
    ) -> Result<Vec<Group>, DomainError> {
        let mut groups = Vec::new();
        let mut seen = vec![false; attributes.len()];
        for group in &raw.groups {
            let place = format!("groups.{}", group.key);
            let members = self.attrs(&place, &group.attributes)?;
            for member in &members {
                let at = usize::from(*member);
                if std::mem::replace(&mut seen[at], true) {
                    return self.fault(&place, format!("{:?} is in two groups", self.keys[at]));
                }
                if !group.always && attributes[at].exact {
                    return self.fault(
                        &place,
                        format!(
                            "{:?} is computed from other attributes, so the group needs `always = true`",
                            self.keys[at]
                        ),
                    );
                }
                if !group.always && attributes[at].more.is_empty() {
                    return self.fault(
                        &place,
                        format!(
                            "{:?} has no relative wordings, so the group needs `always = true`",
                            self.keys[at]
                        ),
                    );
                }
            }
            self.filled(&format!("{place}.headings"), &group.headings)?;
            if group.wordings.is_empty() {
                return self.fault(&place, "must have at least one wording");
            }
            let mut wordings = Vec::new();
            for text in &group.wordings {
                let template = match Template::parse(text, &self.keys) {
                    Ok(template) => template,
                    Err(message) => return self.fault(&place, message),
                };
                let count = |slot: Slot| template.slots().filter(|other| *other == slot).count();
                if count(Slot::Entity) != 1 {
                    return self.fault(&place, format!("{text:?} must have {{entity}} once"));
                }
                for member in &members {
                    if count(Slot::Attr(*member)) + count(Slot::Article(*member)) != 1 {
                        let key = &self.keys[usize::from(*member)];
                        return self.fault(&place, format!("{text:?} must have {{{key}}} once"));
                    }
                }
                if template.slots().count() != members.len() + 1 {
                    return self
                        .fault(&place, format!("{text:?} has a slot that is not in the group"));
                }
                wordings.push(template);
            }
            groups.push(Group {
                always: group.always,
                headings: group.headings.clone(),
                attributes: members,
                wordings,
            });
        }
        match seen.iter().position(|seen| !seen) {
            Some(at) => self.fault("groups", format!("{:?} is in no group", self.keys[at])),
            None => Ok(groups),
        }
    }

    pub(super) fn measures(
        &self,
        raw: &Raw,
        attributes: &[Attribute],
    ) -> Result<Vec<NamedMeasure>, DomainError> {
        let mut measures = Vec::new();
        for measure in &raw.measures {
            let place = format!("measures.{:?}", measure.phrase);
            let kind = match (&measure.sum, &measure.diff, &measure.over, &measure.under) {
                (Some(sum), None, None, None) if sum.len() > 1 => {
                    MeasureKind::Sum(self.attrs(&place, sum)?)
                }
                (None, Some([a, b]), None, None) => {
                    MeasureKind::Diff(self.attr(&place, a)?, self.attr(&place, b)?)
                }
                (None, None, Some(over), Some(under)) if !over.is_empty() && !under.is_empty() => {
                    MeasureKind::Ratio {
                        over: self.attrs(&place, over)?,
                        under: self.attrs(&place, under)?,
                    }
                }
                _ => {
                    return self.fault(
                        &place,
                        "needs either `sum` of two or more, or `diff` of two, or both `over` and `under`",
                    );
                }
            };
            let members = match &kind {
                MeasureKind::Sum(attrs) => attrs.clone(),
                MeasureKind::Diff(a, b) => vec![*a, *b],
                MeasureKind::Ratio { over, under } => over.iter().chain(under).copied().collect(),
            };
            if members.iter().any(|at| !attributes[usize::from(*at)].schema.kind.is_number()) {
                return self.fault(&place, "is made of numbers only");
            }
            measures.push(NamedMeasure { phrase: measure.phrase.clone(), kind });
        }
        Ok(measures)
    }
}
