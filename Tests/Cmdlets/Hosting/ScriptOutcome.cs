using System.Management.Automation;

namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>What a script wrote: objects without their wrapping, and errors that did not end it.</summary>
public sealed record ScriptOutcome(IReadOnlyList<object> Output, IReadOnlyList<ErrorRecord> Errors)
{
    public T Single<T>() => Assert.IsType<T>(Assert.Single(Output));

    public IReadOnlyList<T> All<T>() => [.. Output.Select(Assert.IsType<T>)];
}
