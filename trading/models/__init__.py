"""The rows of trading, one subject a module."""

from trading.models.backtest import Backtest, BacktestResult, BacktestShare, BacktestTag
from trading.models.decision import Decision
from trading.models.deployment import Deployment, DeploymentEvent
from trading.models.holdout_look import HoldoutLook
from trading.models.leased import JobStatus
from trading.models.ledger import JournalEntry, LedgerAccount, Posting
from trading.models.model_performance import ModelPerformance
from trading.models.model_version import (
    ModelApproval,
    ModelArtifact,
    ModelTraining,
    ModelTransition,
    ModelVersion,
)
from trading.models.order import BookChange, Fill, Order, OrderEvent
from trading.models.parameter_sweep import ParameterSweep
from trading.models.portfolio import EquityPoint, Portfolio, Position
from trading.models.prediction import DriftReport, Prediction
from trading.models.risk import RiskLimits
from trading.models.staff_act import StaffAct
from trading.models.strategy import Strategy, StrategyVersion
from trading.models.study import Study, StudyChunk, StudyProposal, Trial
from trading.models.trial_ledger import TrialLedgerEntry

__all__ = [
    "Backtest",
    "BacktestResult",
    "BacktestShare",
    "BacktestTag",
    "BookChange",
    "Decision",
    "Deployment",
    "DeploymentEvent",
    "DriftReport",
    "EquityPoint",
    "Fill",
    "HoldoutLook",
    "JobStatus",
    "JournalEntry",
    "LedgerAccount",
    "ModelApproval",
    "ModelArtifact",
    "ModelPerformance",
    "ModelTraining",
    "ModelTransition",
    "ModelVersion",
    "Order",
    "OrderEvent",
    "ParameterSweep",
    "Portfolio",
    "Position",
    "Posting",
    "Prediction",
    "RiskLimits",
    "StaffAct",
    "Strategy",
    "StrategyVersion",
    "Study",
    "StudyChunk",
    "StudyProposal",
    "Trial",
    "TrialLedgerEntry",
]
