namespace VmMigration.Engine.Protocol;

/// <summary>A VM that arrives.</summary>
internal interface IIncomingMigration : IIncomingOperation
{
    /// <summary>How it ended, for a source that lost its control connection.</summary>
    MigrationOutcome Outcome { get; }
}
