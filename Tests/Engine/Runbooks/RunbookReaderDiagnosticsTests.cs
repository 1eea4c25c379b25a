using VmMigration.Engine.Runbooks;
using Xunit;

namespace VmMigration.Engine.Tests.Runbooks;

public sealed class RunbookReaderDiagnosticsTests
{
    /// <summary>What stands after the frame (from line 4 on), where the one diagnostic must point, its code, and words of its hint.</summary>
    public static TheoryData<string, int, int, string, string> Bodies => new()
    {
        // The document
        { "step: []", 4, 1, "UnknownKey", "'steps'" },
        { "modules: [Other]\nsteps: [{ id: a, run: Get-Thing }]", 4, 1, "NotSupported", "Remove it" },
        { "steps: [{ id: a, run: Get-Thing }]\nsteps: []", 5, 1, "DuplicateKey", "Remove one" },
        { "steps: []", 4, 8, "WrongType", "- id:" },
        { "steps: Get-Thing", 4, 8, "WrongType", "- id:" },
        { "steps:\n  - Get-Thing", 5, 5, "WrongType", "- id:" },
        { "steps: [{ id: a, run: Get-Thing }]\noutputs: [x]", 5, 10, "WrongType", "downtime:" },
        { "steps: [{ id: a, run: Get-Thing }]\noutputs: { 9x: y }", 5, 12, "InvalidName", "letter" },
        { "steps: [{ id: a, run: Get-Thing }]\noutputs: { x: '${{ steps.b.output }}' }", 5, 26, "UnknownStep", "'a'" },

        // YAML itself
        { "steps: &a [{ id: a, run: Get-Thing }]", 4, 8, "AnchorNotAllowed", "Repeat" },
        { "steps: *a", 4, 8, "AnchorNotAllowed", "Repeat" },
        { "steps: !!seq [{ id: a, run: Get-Thing }]", 4, 8, "TagNotAllowed", "Remove it" },
        { "steps: [{ id: a, run: Get-Thing }]\n---\nb: c", 5, 1, "SeveralDocuments", "'---'" },
        { "? [a]\n: b", 4, 3, "KeyNotText", "Quote" },
        { "steps: [{ id: a, run: Get-Thing", 4, 32, "InvalidYaml", "Check" },
        { "steps:\n\t- id: a", 5, 1, "InvalidYaml", "tabs" },

        // Steps
        { "steps:\n  - run: Get-Thing", 5, 5, "MissingKey", "id: migrate" },
        { "steps:\n  - id: a", 5, 5, "MissingKey", "run:" },
        { "steps:\n  - id: 1a\n    run: Get-Thing", 5, 9, "InvalidName", "letter" },
        { "steps:\n  - { id: a, run: Get-Thing }\n  - { id: A, run: Get-Thing }", 6, 11, "DuplicateName", "own id" },
        { "steps:\n  - id: a\n    run: Get-Thign", 6, 10, "UnknownCmdlet", "'Get-Thing'" },
        { "steps:\n  - id: a\n    run: Remove-Item", 6, 10, "UnknownCmdlet", "Remove-Thing" },
        { "steps:\n  - id: a\n    run: Get-Thing | Remove-Thing", 6, 10, "UnknownCmdlet", "script text is never run" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    wiht: {}", 7, 5, "UnknownKey", "'with'" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    retry: { attempts: 3 }", 7, 5, "NotSupported", "not be obeyed" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    timeout: 3s", 7, 5, "NotSupported", "not be obeyed" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    effect: once", 7, 5, "NotSupported", "not be obeyed" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    block: []", 7, 5, "NotSupported", "not be obeyed" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    rescue: []", 7, 5, "NotSupported", "not be obeyed" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    if: maybe", 7, 9, "NotAnExpression", "if: ${{" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    forEach: web01", 7, 14, "NotAnExpression", "[web01, web02]" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    throttle: 2", 7, 15, "NoForEach", "forEach" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    forEach: [x]\n    throttle: 0", 8, 15, "WrongType", "1 to 64" },

        // Arguments
        { "steps:\n  - id: a\n    run: New-Thing", 6, 10, "MissingArgument", "'Name: <value>'" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    with: [x]", 7, 11, "WrongType", "line of its own" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    with:\n      Nmae: x", 8, 7, "UnknownArgument", "'Name'" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    with:\n      Name:", 8, 12, "MissingValue", "Write a value" },
        { "steps:\n  - id: a\n    run: New-Thing\n    with: { Name: a, vmname: b }", 7, 22, "DuplicateName", "Remove one" },
        { "steps:\n  - id: a\n    run: New-Thing\n    with: { Name: a, MemoryBytes: 512MB }", 7, 35, "WrongType", "512MiB" },
        { "steps:\n  - id: a\n    run: New-Thing\n    with: { Name: a, Share: half }", 7, 29, "WrongType", "0.5" },
        { "steps:\n  - id: a\n    run: New-Thing\n    with: { Name: a, Wait: yes }", 7, 28, "WrongType", "true or false" },
        { "steps:\n  - id: a\n    run: New-Thing\n    with: { Name: a, Timeout: 30 }", 7, 31, "WrongType", "90s" },
        { "steps:\n  - id: a\n    run: New-Thing\n    with: { Name: a, Program: HotSetWriterr }", 7, 31, "WrongType", "'HotSetWriter'" },
        { "steps:\n  - id: a\n    run: New-Thing\n    with: { Name: [a] }", 7, 19, "WrongType", "forEach" },
        { "steps:\n  - id: a\n    run: New-Thing\n    with: { Name: { a: b } }", 7, 19, "WrongType", "after the colon" },

        // Expressions
        { "steps:\n  - id: a\n    run: Get-Thing\n    with: { Name: '${{ parameters.x }}' }", 7, 35, "UnknownParameter", "Declare it" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    with: { Name: '${{ steps.a.output }}' }", 7, 30, "UnknownStep", "earlier step" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    with: { Name: '${{ steps.b.output }}' }", 7, 30, "UnknownStep", "No step runs before" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    with: { Name: '${{ item }}' }", 7, 24, "UnknownReference", "forEach" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    with: { Name: '${{ env.HOME }}' }", 7, 24, "UnknownReference", "parameters" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    with:\n      Name: x ${{ 1 + 1 }}", 8, 21, "InvalidExpression", "Known are" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    if: ${{ 'a }}", 7, 9, "InvalidExpression", "}}" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    if: ${{ true = false }}", 7, 18, "InvalidExpression", "==" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    if: ${{ (true }}", 7, 19, "InvalidExpression", "looks like" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    if: ${{ 12parsecs > 3 }}", 7, 13, "InvalidExpression", "1m30s" },
        { "steps:\n  - id: a\n    run: Get-Thing\n    with:\n      Name: >\n        one\n        ${{ nope }}", 10, 13, "UnknownReference", "steps" },

        // Parameters and defaults
        { "parameters: [a]\nsteps: [{ id: a, run: Get-Thing }]", 4, 13, "WrongType", "type: size" },
        { "parameters: { a: 3 }\nsteps: [{ id: a, run: Get-Thing }]", 4, 18, "WrongType", "type: string" },
        { "parameters: { a: {} }\nsteps: [{ id: a, run: Get-Thing }]", 4, 18, "MissingKey", "type: string" },
        { "parameters: { a: { type: integer } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 26, "UnknownType", "int" },
        { "parameters: { 1a: { type: int } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 15, "InvalidName", "letter" },
        { "parameters: { a: { type: int }, A: { type: int } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 33, "DuplicateName", "Rename" },
        { "parameters: { a: { type: int, defualt: 3 } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 31, "UnknownKey", "'default'" },
        { "parameters: { a: { type: size, default: 1GB } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 41, "WrongType", "GiB" },
        { "parameters: { a: { type: int, default: 9, max: 8 } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 40, "OutOfLimits", "limits" },
        { "parameters: { a: { type: int, min: 9, max: 8 } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 36, "LimitsCrossed", "Swap" },
        { "parameters: { a: { type: bool, min: 1 } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 37, "WrongType", "Remove" },
        { "parameters: { a: { type: int, allowed: 3 } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 40, "WrongType", "allowed:" },
        { "parameters: { a: { type: int, default: '${{ item }}' } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 40, "NotALiteral", "number" },
        { "defaults: { Get-Thnig: { Name: x } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 13, "UnknownCmdlet", "'Get-Thing'" },
        { "defaults: { Get-Thing: { Nam: x } }\nsteps: [{ id: a, run: Get-Thing }]", 4, 26, "UnknownArgument", "'Name'" },
    };

    /// <summary>Whole files, the place of the one diagnostic, its code, and words of its hint.</summary>
    public static TheoryData<string, int, int, string, string> Files => new()
    {
        { "", 1, 1, "EmptyRunbook", "apiVersion" },
        { "- a", 1, 1, "WrongType", "apiVersion" },
        { "kind: MigrationRunbook\nmetadata: { name: a }\nsteps: [{ id: a, run: Get-Thing }]", 1, 1, "MissingKey", "vm-migration/v1" },
        { "apiVersion: v9\nkind: MigrationRunbook\nmetadata: { name: a }\nsteps: [{ id: a, run: Get-Thing }]", 1, 13, "NotSupported", "vm-migration/v1" },
        { "apiVersion: vm-migration/v1\nkind: Pod\nmetadata: { name: a }\nsteps: [{ id: a, run: Get-Thing }]", 2, 7, "NotSupported", "MigrationRunbook" },
        { "apiVersion: vm-migration/v1\nkind: MigrationRunbook\nsteps: [{ id: a, run: Get-Thing }]", 1, 1, "MissingKey", "metadata" },
        { "apiVersion: vm-migration/v1\nkind: MigrationRunbook\nmetadata: {}\nsteps: [{ id: a, run: Get-Thing }]", 3, 11, "MissingKey", "name" },
        { "apiVersion: vm-migration/v1\nkind: MigrationRunbook\nmetadata: { name: a b }\nsteps: [{ id: a, run: Get-Thing }]", 3, 19, "InvalidName", "letter" },
        { "apiVersion: vm-migration/v1\nkind: MigrationRunbook\nmetadata: { name: a }", 1, 1, "MissingKey", "steps:" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public void A_broken_body_gives_one_diagnostic_at_the_right_place(string body, int line, int column, string code, string hint) =>
        AssertOnly(RunbookSamples.Frame(body), line, column, code, hint);

    [Theory]
    [MemberData(nameof(Files))]
    public void A_broken_file_gives_one_diagnostic_at_the_right_place(string text, int line, int column, string code, string hint) =>
        AssertOnly(text, line, column, code, hint);

    [Fact]
    public void Every_mistake_is_reported_at_once_and_in_order()
    {
        string body = "steps:\n  - id: a\n    run: Nope-Thing\n  - id: b\n    run: Get-Thing\n    with: { Nope: 1 }\n    iff: x";
        RunbookReading reading = new RunbookReader(RunbookSamples.Catalog).Read(RunbookSamples.Frame(body), "x.yaml");
        Assert.Equal(["UnknownCmdlet", "UnknownArgument", "UnknownKey"], reading.Diagnostics.Select(diagnostic => diagnostic.Code));
        Assert.Null(reading.Runbook);
    }

    [Fact]
    public void Bytes_that_are_not_utf8_are_reported_where_they_stand()
    {
        RunbookReading reading = new RunbookReader(RunbookSamples.Catalog).Read([.. "kind: a\nb: é"u8, 0xC3, 0x28], "x.yaml");
        RunbookDiagnostic diagnostic = Assert.Single(reading.Diagnostics);
        Assert.Equal((2, 5, "NotUtf8"), (diagnostic.Line, diagnostic.Column, diagnostic.Code));
    }

    [Fact]
    public void A_file_that_is_not_there_is_a_diagnostic_too()
    {
        string path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"), "none.yaml");
        RunbookDiagnostic diagnostic = Assert.Single(new RunbookReader(RunbookSamples.Catalog).ReadFile(path).Diagnostics);
        Assert.Equal("FileNotReadable", diagnostic.Code);
        Assert.Equal(path, diagnostic.File);
    }

    [Fact]
    public void A_file_beyond_the_size_limit_is_refused()
    {
        byte[] large = new byte[RunbookReader.MaxFileBytes + 1];
        Array.Fill(large, (byte)' ');
        Assert.Equal("FileTooLarge", Assert.Single(new RunbookReader(RunbookSamples.Catalog).Read(large, "x.yaml").Diagnostics).Code);
    }

    private static void AssertOnly(string text, int line, int column, string code, string hint)
    {
        RunbookReading reading = new RunbookReader(RunbookSamples.Catalog).Read(text, "broken.yaml");
        RunbookDiagnostic diagnostic = Assert.Single(reading.Diagnostics);
        Assert.Equal((line, column, code), (diagnostic.Line, diagnostic.Column, diagnostic.Code));
        Assert.Contains(hint, diagnostic.Hint, StringComparison.Ordinal);
        Assert.Equal("broken.yaml", diagnostic.File);
        Assert.Null(reading.Runbook);
        var error = Assert.Throws<MigrationException>(reading.GetRunbook);
        Assert.Equal(MigrationErrorReason.RunbookInvalid, error.Reason);
    }
}
